"""The app of the workflow tests."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from tests import ledger
from tq import TQ

app = TQ("canvas", set_as_current=False)


@app.task
def member(chord: int, number: int) -> int:
    """Take a moment, so that workers die in the middle of it."""
    ledger.write("member", chord, number)
    time.sleep(0.02)
    return number


@app.task
def body(numbers: list[int], chord: int) -> list[int]:
    ledger.write("body", chord)
    return [chord, sum(numbers)]


@app.task
def killer(number: int) -> int:
    """End the process that runs it, each time."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@app.task
def forgetful(number: int) -> int:
    time.sleep(60)
    return number


@app.task
def told(request: Any, exc: Exception, traceback: Any) -> None:
    ledger.write("told", request.id, type(exc).__name__)
