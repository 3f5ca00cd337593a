"""The app of the whole-system tests: good tasks, and every kind of bad one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from tests import ledger
from tq import TQ, Task
from tq.errors import SoftTimeLimitExceeded

app = TQ("e2e", set_as_current=False)


class Moody(Exception):
    """An error that cannot be built from what it keeps in `args`."""

    def __init__(self, *, mood: str) -> None:
        super().__init__(f"in a {mood} mood")


class Fatal(BaseException):
    """No `Exception`: nothing that catches those catches it."""


# -- good ones ---------------------------------------------------------------------------------------------


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def echo(value: Any) -> Any:
    return value


@app.task
def size(value: str) -> int:
    return len(value)


@app.task
def note(*words: str) -> str:
    line = " ".join(words)
    ledger.write(line)
    return line


@app.task
def pid() -> int:
    return os.getpid()


@app.task
async def add_later(x: int, y: int) -> int:
    await asyncio.sleep(0.01)
    return x + y


@app.task(bind=True)
def attempts(self: Any) -> list[int]:
    return [self.request.attempt, self.request.retries]


@app.task(bind=True)
def flaky(self: Any, failures: int) -> int:
    if self.request.retries < failures:
        raise self.retry(exc=ValueError("not yet"), countdown=0.05, max_retries=failures)
    return int(self.request.retries)


@app.task(bind=True)
def hopeless(self: Any) -> NoReturn:
    ledger.write("hopeless", self.request.retries)
    raise self.retry(countdown=0.02, max_retries=2)


@app.task(bind=True, autoretry_for=(OSError,), retry_backoff=0.05, retry_jitter=False, max_retries=3)
def automatic(self: Any, failures: int) -> int:
    ledger.write("automatic", self.request.id, time.time())
    if self.request.retries < failures:
        raise ConnectionError("try again")
    return int(self.request.retries)


@app.task(bind=True, track_started=True)
def progress(self: Any, barrier: str) -> str:
    """Wait for `<barrier>.1`, tell a state of its own, and wait for `<barrier>.2`."""
    await_file(f"{barrier}.1")
    self.update_state(state="PROGRESS", meta={"done": 1})
    await_file(f"{barrier}.2")
    return "all done"


def await_file(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.02)


class Handled(Task[..., Any]):
    """A task class that writes down all that its handlers are told."""

    name = "e2e.handled"

    def run(self, how: str) -> str:
        ledger.write("run", how)
        if how == "fail":
            raise ValueError("as asked")
        if how == "retry" and not self.request.retries:
            raise self.retry(countdown=0.02)
        return how.upper()

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        ledger.write("before_start", *args)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        ledger.write("on_success", retval)

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        ledger.write("on_failure", repr(exc))

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        ledger.write("on_retry", *args)

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        ledger.write("after_return", status)


handled = app.register_task(Handled)


# -- long ones ---------------------------------------------------------------------------------------------


@app.task(bind=True)
def slow(self: Any, name: str, seconds: float) -> list[Any]:
    ledger.write("start", name, os.getpid(), self.request.attempt)
    time.sleep(seconds)
    ledger.write("end", name)
    return [name, self.request.attempt]


@app.task(bind=True)
def waits(self: Any, name: str, barrier: str) -> list[Any]:
    """Run until the file is there."""
    ledger.write("start", name, os.getpid(), self.request.attempt)
    await_file(barrier)
    ledger.write("end", name)
    return [name, self.request.attempt]


@app.task(soft_time_limit=0.3)
def soft() -> str:
    try:
        busy_sleep(30)
    except SoftTimeLimitExceeded:
        return "cleaned up"
    return "never interrupted"


@app.task(soft_time_limit=0.3)
def soft_uncaught() -> None:
    busy_sleep(30)


def busy_sleep(seconds: float) -> None:
    """Sleep in Python code: threads are interrupted between two instructions."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


@app.task(bind=True)
def hold_interpreter(self: Any, name: str, seconds: float) -> list[Any]:
    """Compute in C without ever giving other threads a chance."""
    ledger.write("start", name, os.getpid(), self.request.attempt)
    began = time.perf_counter()
    sum(range(1_000_000))
    sum(range(int(1_000_000 * seconds / (time.perf_counter() - began))))
    ledger.write("end", name)
    return [name, self.request.attempt]


# -- bad ones ----------------------------------------------------------------------------------------------


@app.task
def returns_what_cannot_be_written() -> Any:
    return object()


@app.task
def returns_generator() -> Iterator[int]:
    return (number for number in range(3))


@app.task
def raises_moody() -> None:
    raise Moody(mood="bad")


@app.task
def raises_with_odd_arguments() -> None:
    raise ValueError(object(), {1, 2}, lambda: None)


@app.task
def raises_what_has_no_text() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    raise Mute("x")


@app.task
def exits() -> None:
    raise SystemExit(3)


@app.task
def interrupts() -> None:
    raise KeyboardInterrupt


@app.task
def raises_fatal() -> None:
    raise Fatal("not an Exception")


@app.task
def recurses() -> None:
    recurses.run()


@app.task
def raises_huge() -> None:
    raise ValueError("x" * 3_000_000)


@app.task
def dies(name: str) -> None:
    ledger.write("dies", name)
    os._exit(1)


@app.task
def dies_by_signal(name: str) -> None:
    ledger.write("dies", name)
    os.kill(os.getpid(), signal.SIGKILL)
