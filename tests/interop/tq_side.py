"""The app that tq workers run."""

from __future__ import annotations

from tests.interop import bodies
from tests.processes.worker import announce
from tq import TQ
from tq.signals import worker_ready

app = TQ("shop", set_as_current=False)
bodies.register(app)
worker_ready.connect(announce)
