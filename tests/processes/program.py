"""One program of the system under test, in a process group of its own, with its output in a file."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.reaper import reaper
from tq.testing.waiting import GENEROUS, NotInTime, eventually

ROOT = Path(__file__).parents[2]


class Program:
    """Starts at once. `close` ends the whole group whatever happened, and so does the end of the test run."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        *,
        cwd: Path = ROOT,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tq-program-"))
        self._log = self.folder / "output.txt"
        self._command = [str(word) for word in command]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=cwd,
                env=clean_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        reaper().hold(self.folder, self.pid)

    # -- what it says --------------------------------------------------------------------------------------

    def output(self) -> str:
        """Return all that it wrote."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, *, times: int = 1, seconds: float = GENEROUS) -> None:
        """Wait until it wrote `text`; fail when it ends before."""

        def written() -> bool:
            found = self.output().count(text) >= times
            if not found and self._process.poll() is not None:
                raise AssertionError(f"it ended ({self._process.returncode}) before {text!r}:\n{self.tail()}")
            return found

        eventually(written, lambda: f"{text!r} in the output of {self.name}:\n{self.tail()}", seconds=seconds)

    @property
    def name(self) -> str:
        """The command, for messages."""
        return " ".join(self._command)[:300]

    def tail(self, lines: int = 60) -> str:
        """Return its last lines, for messages."""
        return "\n".join(self.output().splitlines()[-lines:])

    # -- how it ends ---------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return self._process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal to its first process alone, as a service manager does."""
        self._process.send_signal(number)

    def wait(self, seconds: float = GENEROUS) -> int:
        """Wait for its end and return its exit status; fail where any process of it is left."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotInTime(f"{self.name} did not end within {seconds:g} s:\n{self.tail()}") from None
        eventually(lambda: not self._group_lives(), f"a process of {self.name} is left", seconds=10)
        return status

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it as a service manager does, and require a clean end."""
        self.send(number)
        status = self.wait()
        assert status == 0, f"{self.name} ended with {status}:\n{self.tail()}"

    def kill(self) -> None:
        """End all its processes at once (SIGKILL), as a crash of the machine does."""
        self._kill_group()
        self._process.wait()

    def close(self) -> None:
        """End what is left, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        reaper().forget(self.folder)

    def _kill_group(self) -> None:
        deadline = time.monotonic() + 10
        while self._group_lives() and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.poll()
            time.sleep(0.01)

    def _group_lives(self) -> bool:
        self._process.poll()
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # macOS says this of a group of which only zombies are left
            return False
        return True


def clean_environment() -> dict[str, str]:
    """The environment without settings that a developer has for an app of their own."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TQ_", "CELERY_")) or name.startswith("TQ_TEST_")
    }
