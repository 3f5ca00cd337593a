"""One server process for tests: own folder, free port, started until it answers, stopped or killed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.ports import free_port
from tests.services.reaper import reaper

START_SECONDS = 60.0
STOP_SECONDS = 15.0
# What servers print when something that was killed a moment ago still holds a port or memory.
_BUSY = ("address already in use", "still in use", "unable to lock")


class ServiceFailed(Exception):
    """A server did not start or stop; the message ends with what it printed."""


class Server(ABC):
    """A server on 127.0.0.1 with its data in a folder of its own; `close` leaves nothing behind.

    `stop`, `kill` and `freeze` may be followed by `start` or `thaw`: port, URL and data stay the same.
    """

    name: str
    account: str | None = None  # whom to run as when the tests are root
    stop_signal: signal.Signals = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"tq-{self.name}-"))
        self._log = self.folder / "output.txt"
        reaper().hold(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._prepared = False
        self._user = self.account if os.geteuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find this server."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the command that runs the server in the foreground."""

    def prepare(self) -> None:
        """Make the data folder, before the first start."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether a client gets an answer now."""

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id. Raises ServiceFailed when the server does not run."""
        if self._process is None or not self.running:
            raise ServiceFailed(f"{self.name} on port {self.port} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers. Raises ServiceFailed with its output."""
        if self.running:
            return
        if not self._prepared:
            self.prepare()
            self._prepared = True
        deadline = time.monotonic() + START_SECONDS
        while not self._start_once(deadline):
            if time.monotonic() > deadline or not self._was_busy():
                raise ServiceFailed(f"{self.name} did not start on port {self.port}:\n{self.output()}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop as an administrator would, and wait for the end."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End at once, as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again on the same port with the same data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Suspend its process group: connections stay open and nothing answers (SIGSTOP).

        PostgreSQL's open sessions are processes of groups of their own, and go on. Raises ServiceFailed when a process of
        the group goes on.
        """
        os.killpg(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + STOP_SECONDS
        while not _stands_still(self.pid):  # the signal only asks: threads go on answering for a moment
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{self.name} on port {self.port} was not suspended")
            time.sleep(0.005)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the process and remove the folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        reaper().forget(self.folder)

    def output(self, lines: int = 30) -> str:
        """Return the last lines that the server printed."""
        if not self._log.exists():
            return "(no output)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def listens(self) -> bool:
        """Say whether something accepts connections on the port."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def run(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a client or tool as the server's user. Raises ServiceFailed with what it printed."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=self._environment(),
            user=self._user,
            group=self._group(),
            extra_groups=self._extra_groups(),
            capture_output=True,
            check=False,
            text=True,
            timeout=START_SECONDS,
        )
        if check and done.returncode:
            raise ServiceFailed(
                f"{self.name}: {command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def _start_once(self, deadline: float) -> bool:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in self.command()],
                cwd=self.folder,
                env=self._environment(),
                user=self._user,
                group=self._group(),
                extra_groups=self._extra_groups(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        reaper().hold(self.folder, process.pid)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                reaper().hold(self.folder)
                return False
            if self.answers():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, how)
            os.killpg(process.pid, signal.SIGCONT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(STOP_SECONDS)
                raise ServiceFailed(
                    f"{self.name} did not stop in {STOP_SECONDS:.0f} s:\n{self.output()}"
                ) from None
        reaper().hold(self.folder)
        self._process = None

    def _was_busy(self) -> bool:
        last = self.output(10).lower()
        return any(words in last for words in _BUSY)

    def _group(self) -> int | None:
        return pwd.getpwnam(self._user).pw_gid if self._user else None

    def _extra_groups(self) -> list[int] | None:
        return [] if self._user else None

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.folder)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


def _stands_still(group: int) -> bool:
    """Whether every thread of the processes of a group is stopped or has ended (proc_pid_stat(5); nothing without /proc)."""
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):  # it ended while we looked
            continue
        if int(its_group) == group and state not in "TtZX":
            return False
    return True
