"""What a database says of its own set-up."""

from __future__ import annotations

import sqlalchemy as sa

from tq.records import Severity
from tq_sql import SqlBroker


def test_postgresql_with_its_defaults_has_nothing_to_say_but_of_fsync(module_postgres: str) -> None:
    broker = SqlBroker(module_postgres)
    try:
        found = broker.findings()
    finally:
        broker.close()
    # The tests' own server may run without fsync, to be quick.
    assert [
        each.what for each in found if "fsync" not in each.what and "synchronous_commit" not in each.what
    ] == []


def test_postgresql_that_does_not_wait_for_its_disk_is_told(module_postgres: str) -> None:
    engine = sa.create_engine(module_postgres.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as conn:
        conn.exec_driver_sql(f'ALTER DATABASE "{engine.url.database}" SET synchronous_commit = off')
    engine.dispose()
    broker = SqlBroker(module_postgres)
    try:
        found = [each for each in broker.findings() if "synchronous_commit" in each.what]
    finally:
        broker.close()
    assert [each.severity for each in found] == [Severity.WARNING]


def test_sqlite_has_nothing_to_say(tmp_path: object) -> None:
    broker = SqlBroker(f"sqlite:///{tmp_path}/tq.db")
    try:
        assert broker.findings() == []
    finally:
        broker.close()
