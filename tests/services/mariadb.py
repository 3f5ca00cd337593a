"""A MariaDB server for tests."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from tests.services.catalog import require
from tests.services.server import Server


class MariadbServer(Server):
    """A MariaDB server, with extra `options` such as `--max-connections=5`; it does not wait for the disk."""

    name = "mariadb"
    account = "mysql"

    def __init__(self, *options: str) -> None:
        self._programs = require("mariadb")
        super().__init__()
        self._options = options
        self._numbers = count(1)
        self._data = self.folder / "data"

    def prepare(self) -> None:
        """Make the data folder."""
        self.run(
            self._programs["mariadb-install-db"],
            "--no-defaults",
            f"--datadir={self._data}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        )

    @property
    def url(self) -> str:
        """Where clients find this server, as an SQLAlchemy URL for PyMySQL."""
        return self.url_of("mysql")

    def url_of(self, database: str) -> str:
        """Return the URL of one database."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""
        return [
            self._programs["mariadbd"],
            "--no-defaults",  # never the system's own instance
            f"--datadir={self._data}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=32M",
            *self._options,
        ]

    def answers(self) -> bool:
        """Say whether the server answers a query."""
        return self.listens() and self._sql("select 1", check=False) == 0

    def new_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        self._sql(f"create database {name} character set utf8mb4")
        return name

    def _sql(self, statement: str, *, check: bool = True) -> int:
        where = ("--no-defaults", "-h", "127.0.0.1", "-P", str(self.port), "-u", "root")
        return self.run(self._programs["mariadb"], *where, "-e", statement, check=check).returncode
