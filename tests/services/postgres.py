"""A PostgreSQL server for tests."""

from __future__ import annotations

import signal
from itertools import count
from pathlib import Path

from tests.services.catalog import require
from tests.services.server import Server


class PostgresServer(Server):
    """A PostgreSQL server, with `lines` of postgresql.conf; it does not wait for the disk unless a line says so."""

    name = "postgres"
    account = "postgres"
    stop_signal = signal.SIGINT  # the fast shutdown: SIGTERM waits for clients to leave

    def __init__(self, *lines: str) -> None:
        self._programs = require("postgres")
        super().__init__()
        self._numbers = count(1)
        self._lines = lines
        self._data = self.folder / "data"

    def prepare(self) -> None:
        """Make the data folder and its configuration."""
        self.run(
            self._programs["initdb"], "-D", self._data, "-A", "trust", "-U", "tq", "-E", "UTF8", "--no-sync"
        )
        config = [
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{self.folder}'",
            "fsync = off",
            "shared_buffers = 32MB",
            *self._lines,
        ]
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\n".join(config) + "\n")

    @property
    def url(self) -> str:
        """Where clients find this server, as an SQLAlchemy URL for psycopg 3."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the URL of one database."""
        return f"postgresql+psycopg://tq@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""
        return [self._programs["postgres"], "-D", self._data]

    def answers(self) -> bool:
        """Say whether the server answers a query."""
        return self.listens() and self._sql("select 1", check=False) == 0

    def new_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        self._sql(f"create database {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, and end the connections to it."""
        self._sql(f"drop database {name} with (force)")

    def _sql(self, statement: str, *, check: bool = True) -> int:
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "tq", "-d", "postgres")
        return self.run(self._programs["psql"], "-X", "-q", *where, "-c", statement, check=check).returncode
