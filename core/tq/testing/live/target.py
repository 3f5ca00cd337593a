"""What is to be checked. It comes by the environment, because command lines can be seen by everybody."""

from __future__ import annotations

import os

import msgspec

from tq.errors import ImproperlyConfigured
from tq.plugins.trial import VARIABLE, Target


def target() -> Target:
    """What this process was started for. Raises `ImproperlyConfigured` where it was not started by `tq plugins check`."""
    raw = os.environ.get(VARIABLE)
    if raw is None:
        raise ImproperlyConfigured(
            f"{VARIABLE} is not set: these tests are started by `tq plugins check URL`"
        )
    return msgspec.json.decode(raw, type=Target)
