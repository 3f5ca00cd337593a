"""Databases that a whole module shares: making one takes longer than most tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.services.mariadb import MariadbServer
from tests.services.postgres import PostgresServer


@pytest.fixture(scope="module")
def module_postgres(shared_postgres: PostgresServer) -> str:
    """The URL of a PostgreSQL database for this module."""
    return shared_postgres.url_of(shared_postgres.new_database())


@pytest.fixture(scope="module")
def module_mariadb(shared_mariadb: MariadbServer) -> str:
    """The URL of a MariaDB database for this module."""
    return shared_mariadb.url_of(shared_mariadb.new_database())


@pytest.fixture(scope="module")
def wrong_password_mariadb(shared_mariadb: MariadbServer, module_mariadb: str) -> str:
    """A URL with a user who has another password than `s3cret`."""
    engine = sa.create_engine(module_mariadb)
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE OR REPLACE USER someone IDENTIFIED BY 'another'")
    engine.dispose()
    return module_mariadb.replace("root@", "someone:s3cret@")


@pytest.fixture(scope="module")
def strict_postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server where `tq` needs no password, and everybody else does."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the server runs as another user
        rules = Path(folder, "pg_hba.conf")
        rules.write_text("host all tq 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with PostgresServer(f"hba_file = '{rules}'") as server:
            engine = sa.create_engine(server.url)
            with engine.begin() as conn:
                conn.exec_driver_sql("CREATE USER someone PASSWORD 'another'")
            engine.dispose()
            yield server.url


@pytest.fixture(scope="module")
def wrong_password_postgres(shared_postgres: PostgresServer, strict_postgres: str) -> str:
    """A URL with a user who has another password than `s3cret`."""
    return strict_postgres.replace("tq@", "someone:s3cret@")
