"""The app of the fault tests: every body writes its start and its end to the ledger."""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import select
import time
from typing import Any

from tests import ledger
from tq import TQ

if "faketime" in os.environ.get("LD_PRELOAD", ""):
    # Told to leave durations alone, libfaketime 0.9.10 refuses the system call behind `time.sleep` (EINVAL).
    vars(time)["sleep"] = lambda seconds: select.poll().poll(seconds * 1000)

EVERY = 0.5
"""Seconds between two due times of `tick`."""
app = TQ(
    "faults",
    set_as_current=False,
    beat_schedule={"tick": {"task": "tests.faults.app.tick", "schedule": EVERY, "misfire": "catch-up"}},
)


def _begin(task: Any) -> None:
    ledger.write("start", task.request.id, task.request.attempt, os.getpid(), time.time())


def _end(task: Any) -> None:
    ledger.write("end", task.request.id, task.request.attempt, os.getpid(), time.time())


@app.task(bind=True)
def work(self: Any, seconds: float) -> float:
    """Take some time."""
    _begin(self)
    time.sleep(seconds)
    _end(self)
    return seconds


@app.task(bind=True)
def alone(self: Any, seconds: float) -> None:
    """For calls of which one at a time may wait or run."""
    _begin(self)
    time.sleep(seconds)
    _end(self)


@app.task(bind=True)
def tick(self: Any) -> None:
    """A periodic task: its due time, counted in steps, stands in the ledger in place of its id."""
    due = dt.datetime.fromisoformat(self.request.headers["due"]).timestamp()
    for what in ("start", "end"):
        ledger.write(what, round(due / EVERY), self.request.attempt, os.getpid(), time.time())


@app.task(bind=True)
def follow(self: Any, before: Any) -> None:
    """What a task links to: it must run once for each task that ended."""
    _begin(self)
    _end(self)


@app.task(bind=True)
def member(self: Any, seconds: float, number: int) -> int:
    """One of a chord's."""
    _begin(self)
    time.sleep(seconds)
    _end(self)
    return number


@app.task(bind=True)
def count_up(self: Any, numbers: list[int]) -> int:
    """The body of a chord."""
    _begin(self)
    _end(self)
    return sum(numbers)


@app.task(bind=True)
def leave(self: Any) -> None:
    """Kill the process from inside, without a trace of an exception."""
    _begin(self)
    os._exit(7)


@app.task(bind=True)
def grow(self: Any, megabytes: int) -> int:
    """Take memory, and keep it until somebody acts."""
    _begin(self)
    taken = bytearray(megabytes * 1_000_000)
    time.sleep(600)
    _end(self)
    return len(taken)


@app.task(bind=True)
def crash(self: Any) -> None:
    """Write to address 0."""
    _begin(self)
    ctypes.string_at(0)
