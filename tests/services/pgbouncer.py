"""PgBouncer in front of a PostgreSQL server, with transaction pooling."""

from __future__ import annotations

from pathlib import Path

from tests.services.catalog import require
from tests.services.postgres import PostgresServer
from tests.services.server import Server


class PgBouncerServer(Server):
    """Few connections to the server for all clients; a transaction has one, and a session has none."""

    name = "pgbouncer"
    account = "postgres"

    def __init__(self, behind: PostgresServer) -> None:
        self._program = require("pgbouncer")["pgbouncer"]
        super().__init__()
        self._behind = behind
        self._config = self.folder / "pgbouncer.ini"

    def prepare(self) -> None:
        """Write the configuration: two connections to each database."""
        self._config.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={self._behind.port} user=tq\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            "auth_type = any\nauth_file =\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n"
            # Nothing is cleaned up between two clients: what one leaves in a session, the next one finds.
            "server_reset_query =\nserver_check_query =\n"
        )

    @property
    def url(self) -> str:
        """Where clients find the database `postgres`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the URL of one database."""
        return f"postgresql+psycopg://tq@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str | Path]:
        """Return the command that runs it in the foreground."""
        return [self._program, self._config]

    def answers(self) -> bool:
        """Say whether it accepts connections."""
        return self.listens()
