"""A memcached server for tests."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.services.catalog import require
from tests.services.server import Server, ServiceFailed


class MemcachedServer(Server):
    """A memcached server; `words` are words of its command line, in which `{folder}` stands for its folder."""

    name = "memcached"
    account = "nobody"

    def __init__(self, *words: str) -> None:
        self._program = require("memcached")["memcached"]
        super().__init__()
        self._words = [word.replace("{folder}", str(self.folder)) for word in words]

    def prepare(self) -> None:
        """Write a list of users for `-Y {folder}/users.txt`: `me`, whose password is `right`."""
        (self.folder / "users.txt").write_text("me:right\n")

    @property
    def url(self) -> str:
        """Where clients find this server."""
        return f"memcache://127.0.0.1:{self.port}/"

    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""
        return [self._program, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "64", *self._words]

    def answers(self) -> bool:
        """Say whether the server answers; one that wants a password answers too."""
        try:
            return self.ask("version").startswith(("VERSION", "CLIENT_ERROR unauthenticated"))
        except OSError:
            return False

    def ask(self, command: str, timeout: float = 5.0) -> str:
        """Send one command and return the first bytes of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(65536).decode(errors="replace")

    def flush(self) -> None:
        """Forget everything. Raises ServiceFailed when memcached refuses."""
        answer = self.ask("flush_all")
        if not answer.startswith("OK"):
            raise ServiceFailed(f"memcached on port {self.port} refused flush_all: {answer}")
