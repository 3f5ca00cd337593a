"""A worker as the child process of a command, such that neither outlives the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO

LOOK = 0.5
"""Seconds between two looks for the parent."""


def start_worker(
    spec: str,
    before: Sequence[str] = (),
    options: Sequence[str] = (),
    *,
    environ: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `tq -A SPEC [before] worker [options]` with this Python. It stops when this process is gone.

    `environ` is added to the environment: the place for URLs, whose passwords a command line would show.
    """
    command = [sys.executable, "-P", "-m", "tq", "-A", spec, *before, "worker", *options]
    return subprocess.Popen(
        [*command, "--parent-pid", str(os.getpid())],
        env={**os.environ, **(environ or {})},
        stdout=output,
        stderr=output,
    )


def stop_worker(process: subprocess.Popen[bytes], *, patience: float, told: bool = False) -> None:
    """End it: warm, cold after `patience` seconds, and killed where that does not help either.

    `told`: the terminal has sent it an INT already, and a second signal would turn its stop cold.
    """
    if not told and process.poll() is None:
        process.terminate()
    for last in (process.terminate, process.kill):
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            last()
    process.wait()


@contextmanager
def ending_on_term() -> Iterator[threading.Event]:
    """Inside, TERM ends this process as an exception does, so that what has to be cleaned up is. The event
    says that it came."""
    came = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        came.set()
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, previous)


def end_with(parent: int, stop: Callable[[], object]) -> None:
    """Call `stop` when the process `parent`, which started this one, is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        stop()

    threading.Thread(target=watch, name="tq-parent", daemon=True).start()
