"""A shell starts its background jobs with SIGINT ignored, and their children inherit that; tests send SIGINT."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take SIGINT as in a foreground job, however this run was started."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
