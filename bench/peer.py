"""One of the systems under comparison: how its processes are started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Peer:
    """`worker` is the command line of a worker with one process, after the Python's path."""

    name: str
    python: str
    program: str
    worker: tuple[str, ...]

    def environment(self, url: str, results: bool) -> dict[str, str]:
        """What its programs read."""
        return {
            **os.environ,
            "BENCH_REDIS": url,
            "BENCH_RESULTS": str(int(results)),
            "PYTHONPATH": str(PROGRAMS),
        }

    def measure(self, what: str, count: int, url: str, *, results: bool) -> float:
        """Run the client-side measurement `what` and return its seconds."""
        done = subprocess.run(
            [self.python, str(PROGRAMS / f"{self.program}.py"), what, str(count)],
            env=self.environment(url, results),
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)

    @contextmanager
    def running(self, url: str, *, results: bool) -> Iterator[subprocess.Popen[bytes]]:
        """A worker while inside; its whole process group ends with it."""
        process = subprocess.Popen(
            [self.python, *self.worker],
            env=self.environment(url, results),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def tq(pool: str = "prefork") -> Peer:
    """tq, from this Python."""
    command = ("-m", "tq", "-A", "tq_app", "worker", "-c", "1", "-P", pool)
    return Peer("tq", sys.executable, "tq_app", command)


def celery(python: str, pool: str = "prefork") -> Peer:
    """Celery with its defaults, from a Python that has it."""
    command = ("-m", "celery", "-A", "celery_app", "worker", "-c", "1", "-P", pool)
    return Peer("celery", python, "celery_app", command)
