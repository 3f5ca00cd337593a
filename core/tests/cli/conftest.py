"""A project of one module, the command line in this process, and programs in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tq.cli import main
from tq.testing.waiting import GENEROUS, eventually

SHOP = """
from tq import TQ

app = TQ("shop")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def fail() -> None:
    raise ValueError("out of stock")


@app.task(queue="mails")
def mail(to: str) -> str:
    return f"sent to {to}"
"""


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int
    out: str
    err: str


Tq = Callable[..., Ended]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with `shop.py` in it; what is imported from it is forgotten afterwards."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for variable in [name for name in os.environ if name.startswith("TQ_")]:
        monkeypatch.delenv(variable)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def tq(project: Path, capsys: pytest.CaptureFixture[str]) -> Tq:
    """Run a command of `tq` in this process, within the project."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        status: object = 0
        try:
            main(arguments)
        except SystemExit as exc:
            status = exc.code
        written = capsys.readouterr()
        return Ended(
            int(status or 0) if isinstance(status, int | bool | None) else 1, written.out, written.err
        )

    return run


class Program:
    """`tq ARGUMENTS` in a process and session of its own, so that signals go to it and its children alone."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / f"output-{time.monotonic_ns()}.txt"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tq", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it wrote so far."""
        return self._log.read_text()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until it has written this text so many times."""
        eventually(lambda: self.output.count(text) >= times, lambda: f"{text!r} in: {self.output}")

    def interrupt(self) -> None:
        """What Ctrl-C does: INT to the program and its children."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        """Wait for its end; returns its status."""
        return self.process.wait(GENEROUS)

    def kill(self) -> None:
        """End everything that is left of its session."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


def living(group: int) -> list[int]:
    """The processes of a session that run; the dead that nobody has asked for do not count."""
    rows = list(_from_proc()) if Path("/proc/self/stat").exists() else list(_from_ps())
    return [pid for pid, pgid, state in rows if pgid == group and state != "Z"]


def _from_proc() -> Iterator[tuple[int, int, str]]:
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _, pgid, *_ = file.read_text().rpartition(") ")[2].split()
            yield int(file.parent.name), int(pgid), state


def _from_ps() -> Iterator[tuple[int, int, str]]:
    command = ["ps", "-e", "-o", "pid=,pgid=,stat="]
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        pid, pgid, state = line.split()
        yield int(pid), int(pgid), state[0]


Start = Callable[..., Program]


@contextmanager
def programs(folder: Path) -> Iterator[Start]:
    """Start programs that do not outlive this block."""
    started: list[Program] = []

    def start(*arguments: str) -> Program:
        started.append(Program(folder, *arguments))
        return started[-1]

    try:
        yield start
    finally:
        for program in started:
            program.kill()


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Start `tq ARGUMENTS` in the project."""
    with programs(project) as start_one:
        yield start_one
