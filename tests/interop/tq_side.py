"""The app that tq workers run."""

from __future__ import annotations

from tests.interop import bodies
from tq import TQ

app = TQ("shop", set_as_current=False)
bodies.register(app)
