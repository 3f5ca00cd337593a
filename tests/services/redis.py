"""A Redis server for tests."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.services.catalog import require
from tests.services.server import Server, ServiceFailed


class RedisServer(Server):
    """A Redis server that keeps nothing on disk unless `appendonly` is set.

    `lines` are lines of redis.conf, in which `{folder}` stands for the server's folder.
    """

    name = "redis"

    def __init__(self, *lines: str, appendonly: bool = False) -> None:
        program = require("redis")["redis-server"]
        super().__init__()
        self._program = program
        self._lines = lines
        self._appendonly = appendonly
        self._config = self.folder / "redis.conf"

    def prepare(self) -> None:
        """Write the configuration."""
        config = [
            f"port {self.port}",
            "bind 127.0.0.1",
            'save ""',
            f"dir {self.folder}",
            f"appendonly {'yes' if self._appendonly else 'no'}",
            *(line.replace("{folder}", str(self.folder)) for line in self._lines),
        ]
        self._config.write_text("\n".join(config) + "\n")

    @property
    def url(self) -> str:
        """Where clients find this server: database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""
        return [self._program, self._config]

    def answers(self) -> bool:
        """Say whether the server answers PING; one that wants a password answers too."""
        try:
            return self.ask("PING").startswith(("+PONG", "-NOAUTH"))
        except OSError:
            return False

    def ask(self, *words: str, timeout: float = 5.0) -> str:
        """Send one command and return the first bytes of its answer as Redis wrote them.

        For what a fixture needs without a client library, not for long answers.
        """
        parts = [word.encode() for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(request)
            return connection.recv(65536).decode(errors="replace")

    def flush(self) -> None:
        """Empty all databases. Raises ServiceFailed when Redis refuses."""
        answer = self.ask("FLUSHALL")
        if not answer.startswith("+OK"):
            raise ServiceFailed(f"redis on port {self.port} refused FLUSHALL: {answer}")
