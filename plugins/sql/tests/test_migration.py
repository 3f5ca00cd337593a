"""Versions of the tables: made, upgraded, and refused with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from tq.cli.commands import cli
from tq.errors import BrokerError
from tq.records import Envelope, Message, TaskMeta
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker, upgrade
from tq_sql.migration import Upgrade, version
from tq_sql.tables import VERSION


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tq.db"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def envelope(task_id: str) -> Envelope:
    return Envelope(Message({"id": task_id, "task": "t"}, {}, b"[]"), "q")


def make_older(engine: sa.Engine) -> None:
    """What version 1 had, with a message in it."""
    broker = SqlBroker(engine.url.render_as_string(hide_password=False))
    broker.publish([envelope("old")], timeout=30)
    broker.close()
    with engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE tq_locks")
        conn.exec_driver_sql("DROP TABLE tq_announcements")
        conn.exec_driver_sql("UPDATE tq_schema SET version = 1")


def test_tables_are_made_once(url: str) -> None:
    assert version(url) is None
    assert upgrade(url) == Upgrade(0, VERSION)
    assert upgrade(url) == Upgrade(VERSION, VERSION)
    assert version(url) == VERSION
    broker = SqlBroker(url, {"create_tables": False})
    assert broker.publish([envelope("one")], timeout=30) == [None]
    broker.close()
    backend = SqlBackend(url, {"create_tables": False}, serializer=JsonSerializer())
    backend.store([TaskMeta("i", "SUCCESS", 1)])
    backend.close()


def test_older_tables_are_refused_until_they_are_upgraded_and_keep_what_they_hold(
    url: str, engine: sa.Engine
) -> None:
    make_older(engine)
    broker = SqlBroker(url)
    with pytest.raises(BrokerError, match=r"of version 1, and this tq-sql needs 3: run `tq sql upgrade`"):
        broker.publish([envelope("new")], timeout=30)
    assert upgrade(url) == Upgrade(1, VERSION)
    assert broker.publish([envelope("new")], timeout=30) == [None]
    assert broker.stats("q").ready == 2
    broker.close()


def test_newer_tables_are_refused(url: str, engine: sa.Engine) -> None:
    upgrade(url)
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE tq_schema SET version = 99")
    with pytest.raises(BrokerError, match=r"of version 99, and this tq-sql knows 3: install"):
        SqlBroker(url).publish([envelope("new")], timeout=30)
    with pytest.raises(BrokerError, match=r"of version 99, and this tq-sql knows 3: install"):
        upgrade(url)


def test_the_command_makes_and_upgrades(url: str, engine: sa.Engine) -> None:
    make_older(engine)
    said = CliRunner().invoke(cli, ["-b", url, "sql", "version"])
    assert (said.exit_code, said.output.rpartition(": ")[2]) == (0, f"{VERSION})\n")
    assert ": 1 (" in said.output
    for words in (f"version 1 -> version {VERSION}", "up to date"):
        said = CliRunner().invoke(cli, ["sql", "upgrade", url])
        assert (said.exit_code, words in said.output) == (0, True)


def test_the_command_needs_a_database() -> None:
    said = CliRunner().invoke(cli, ["-b", "memory://", "--result-backend", "disabled", "sql", "upgrade"])
    assert said.exit_code != 0
    assert "names an SQL database" in str(said.exception)
