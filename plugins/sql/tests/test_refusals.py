"""What databases refuse, in the words of tq: the server, the password, the rights, the version, each with the next step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from psycopg.errors import DeadlockDetected, SerializationFailure, UndefinedTable
from sqlalchemy.exc import OperationalError, ProgrammingError

from tests.services.mariadb import MariadbServer
from tests.services.postgres import PostgresServer
from tq.errors import BackendError, BackendUnavailable, BrokerError, BrokerUnavailable
from tq.testing.broker_kit import envelope
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker
from tq_sql.faults import backend_faults, broker_faults

Given = Callable[[str], str]
DATABASES = ["postgres", "mariadb"]


@pytest.fixture
def postgres_place(postgres_server: Callable[..., PostgresServer]) -> str:
    """A PostgreSQL that asks for passwords, with a guest who may nothing: where it is, and its database."""
    server = postgres_server()
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql("CREATE ROLE guest LOGIN PASSWORD 's3cret'")
    engine.dispose()
    (server.folder / "data" / "pg_hba.conf").write_text(
        "host all guest all scram-sha-256\nhost all all all trust\n"
    )
    server.restart()
    return f"postgresql://guest:PASSWORD@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def mariadb_place(shared_mariadb: MariadbServer, mariadb_url: str) -> str:
    """The same on MariaDB."""
    engine = sa.create_engine(mariadb_url)
    database = mariadb_url.rpartition("/")[2]
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE OR REPLACE USER guest@'%%' IDENTIFIED BY 's3cret'")
        conn.exec_driver_sql(f"GRANT CREATE TEMPORARY TABLES ON {database}.* TO guest@'%%'")
    engine.dispose()
    return f"mariadb://guest:PASSWORD@127.0.0.1:{shared_mariadb.port}/{database}"


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_place")
    return found


def refused(url: str) -> tuple[BrokerError, BackendError]:
    """What broker and result backend say."""
    broker, backend = SqlBroker(url), SqlBackend(url, serializer=JsonSerializer())
    with pytest.raises(BrokerError) as of_broker:
        broker.publish([envelope("q", "one")], timeout=5.0)
    with pytest.raises(BackendError) as of_backend:
        backend.get(["one"])
    broker.close()
    backend.close()
    return of_broker.value, of_backend.value


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("wr0ng", "refused the user or the password .*; check both in the URL"),
        ("s3cret", "lacks a permission .*; grant SELECT, INSERT, UPDATE and DELETE"),
    ],
)
def test_a_refusal_says_what_to_check_and_shows_no_password(place: str, password: str, words: str) -> None:
    for error in refused(place.replace("PASSWORD", password)):
        assert not isinstance(error, BrokerUnavailable | BackendUnavailable)
        assert password not in str(error) + error.url
        with pytest.raises(type(error), match=words):
            raise error


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb", "mysql"])
def test_a_server_that_is_missing_is_told_from_one_that_refuses(scheme: str, free_port: int) -> None:
    for error in refused(f"{scheme}://guest:s3cret@127.0.0.1:{free_port}/tq"):
        assert isinstance(error, BrokerUnavailable | BackendUnavailable)
        assert "the server cannot be reached" in str(error)
        assert "check that it runs and that host and port are right" in str(error)
        assert "s3cret" not in str(error)


def test_a_missing_table_is_not_taken_for_a_missing_database() -> None:
    for missing in (
        ProgrammingError("", {}, Exception(1146, "Table 'shop.tq_messages' doesn't exist")),
        ProgrammingError("", {}, UndefinedTable('relation "tq_messages" does not exist')),
        OperationalError("", {}, Exception("no such table: tq_messages")),
    ):
        assert "a table of tq is missing" in str(broker_faults("mysql://h/d").translate(missing))
    said = str(broker_faults("postgresql://h/d").translate(OSError('FATAL: role "guest" does not exist')))
    assert "refused the user or the password" in said


def test_a_conflict_that_did_not_end_may_be_tried_again() -> None:
    for conflict in (Exception(1213, "Deadlock found"), DeadlockDetected(), SerializationFailure()):
        error = broker_faults("mysql://h/d").translate(OperationalError("", {}, conflict))
        assert isinstance(error, BrokerUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        ProgrammingError(
            "", {}, Exception(1064, "You have an error in your SQL syntax near 'SKIP LOCKED' at line 4")
        ),
        OperationalError("", {}, Exception('near "RETURNING": syntax error')),
    ],
    ids=["MySQL 5.7", "SQLite 3.34"],
)
def test_a_database_that_is_too_old_is_told_by_what_it_does_not_know(error: Exception) -> None:
    for faults in (broker_faults("mysql://h/d"), backend_faults("mysql://h/d")):
        assert "the database is too old" in str(faults.translate(error))
        assert "upgrade it to SQLite 3.35, PostgreSQL 12, MySQL 8 or MariaDB 10.6" in str(
            faults.translate(error)
        )
