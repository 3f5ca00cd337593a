"""What all tests share: servers, and the report of what was not tested."""

from __future__ import annotations

pytest_plugins = (
    "tests.interruptible",
    "tests.late",
    "tests.services.fixtures",
    "tests.slow_first",
    "tests.untested",
    "tests.untraced",
)
