"""The schedule store keeps the contract, on every database, and reads what others wrote into its table."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.services.served import OnMariadb, OnPostgresql
from tq.contracts.schedules import Row, State
from tq.testing import ScheduleStoreConformance
from tq.testing.schedules import entry
from tq_sql.schedule import SqlScheduleStore


class TestSqlite(ScheduleStoreConformance):
    store_class = SqlScheduleStore

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/tq.db"


class TestPostgresql(OnPostgresql, ScheduleStoreConformance):
    store_class = SqlScheduleStore

    @pytest.fixture
    def store_url(self, module_postgres: str) -> str:
        return module_postgres


class TestMariadb(OnMariadb, ScheduleStoreConformance):
    store_class = SqlScheduleStore

    @pytest.fixture
    def store_url(self, module_mariadb: str) -> str:
        return module_mariadb


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tq.db"


def test_a_row_that_somebody_else_wrote_is_an_entry(file: Path) -> None:
    store = SqlScheduleStore(f"sqlite:///{file}")
    store.save([Row(entry())])
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.exec_driver_sql(
            """UPDATE tq_schedule SET task = 'other', next_due = NULL, schedule = '{"type": "crontab"}'"""
        )
    engine.dispose()
    [row] = store.read()
    assert (row.entry.task, row.entry.schedule, row.state.next_due) == ("other", {"type": "crontab"}, None)
    store.close()


def test_a_row_that_means_nothing_is_left_out_by_name(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqlScheduleStore(f"sqlite:///{file}")
    store.save([Row(entry()), Row(entry("other"))])
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.exec_driver_sql("UPDATE tq_schedule SET misfire = 'sometimes' WHERE name = 'tick'")
    engine.dispose()
    assert [row.entry.name for row in store.read()] == ["other"]
    assert "the row 'tick' of tq_schedule is left out" in caplog.text
    store.close()


def test_emptied_tables_begin_anew(file: Path) -> None:
    store = SqlScheduleStore(f"sqlite:///{file}")
    store.save([Row(entry())])
    store.lead("one", 60.0)
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM tq_schedule")
        conn.exec_driver_sql("DELETE FROM tq_schedule_leaders")
    engine.dispose()
    assert store.lead("two", 60.0).fence == 1
    assert store.save([Row(entry())]) == [True]
    assert list(store.read()) == [Row(entry(), State(), 1)]
    store.close()
