"""Celery's result tables: its rows are read, and ours have its shape.

`data/celery57_results.sql` is a dump of what Celery 5.7.0 wrote with `result_extended`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tq.errors import BackendError
from tq.records import TaskMeta
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend

DUMP = Path(__file__).parent / "data" / "celery57_results.sql"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database that Celery made."""
    path = tmp_path / "results.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(DUMP.read_text())
    return path


@pytest.fixture
def backend(file: Path) -> SqlBackend:
    return SqlBackend(f"db+sqlite:///{file}", serializer=JsonSerializer())


def test_a_result_of_celery_is_read(backend: SqlBackend) -> None:
    meta = backend.get(["good"])["good"]
    assert (meta.status, meta.result["x"]) == ("SUCCESS", [1, None, "größe"])
    assert (meta.name, meta.args, meta.kwargs) == ("t.add", [1, 2], {"a": "ö"})
    assert (meta.worker, meta.retries, meta.queue) == ("w@h", 1, "celery")
    assert meta.date_done is not None and meta.date_done.endswith("+00:00")


def test_a_failure_of_celery_is_read(backend: SqlBackend) -> None:
    meta = backend.wait(["bad", "going"], 1.0)["bad"]
    assert meta.result == {"exc_type": "ValueError", "exc_message": ["größe", 3], "exc_module": "builtins"}
    assert meta.traceback == "Traceback ..."


def test_a_custom_state_of_celery_is_read(backend: SqlBackend) -> None:
    assert backend.get(["going"])["going"] == TaskMeta("going", "PROGRESS", {"done": 5})


def test_a_row_of_ours_has_the_shape_of_celerys(backend: SqlBackend, file: Path) -> None:
    backend.store([TaskMeta("ours", "SUCCESS", {"x": 1}, date_done="2026-01-02T04:04:05.000006+01:00")])
    with sqlite3.connect(file) as conn:
        conn.row_factory = sqlite3.Row
        ours, theirs = (
            conn.execute("SELECT * FROM celery_taskmeta WHERE task_id = ?", (task_id,)).fetchone()
            for task_id in ("ours", "good")
        )
    assert ours["date_done"] == "2026-01-02 03:04:05.000006"
    assert [type(ours[k]) for k in ("status", "result", "date_done")] == [
        type(theirs[k]) for k in ("status", "result", "date_done")
    ]


def test_success_of_celery_is_final_for_us(backend: SqlBackend) -> None:
    backend.store([TaskMeta("good", "FAILURE", {"exc_type": "E"})])
    assert backend.get(["good"])["good"].status == "SUCCESS"


def test_columns_that_an_older_celery_did_not_make_are_added(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as conn:
        conn.execute(
            "CREATE TABLE celery_taskmeta (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id VARCHAR(155) UNIQUE, "
            "status VARCHAR(50), result BLOB, date_done DATETIME, traceback TEXT)"
        )
        conn.execute("INSERT INTO celery_taskmeta (task_id, status, result) VALUES ('old', 'SUCCESS', X'35')")
    backend = SqlBackend(f"db+sqlite:///{path}", serializer=JsonSerializer())
    backend.store([TaskMeta("new", "SUCCESS", 6, children=[[["child", None], None]], parent_id="p")])
    found = backend.get(["old", "new"])
    assert (found["old"].result, found["new"].result, found["new"].parent_id) == (5, 6, "p")


def test_what_is_not_ours_to_read_is_an_error_that_names_the_task(backend: SqlBackend, file: Path) -> None:
    with sqlite3.connect(file) as conn:
        conn.execute("UPDATE celery_taskmeta SET result = ? WHERE task_id = 'good'", (b"\x80\x04N.",))
    with pytest.raises(BackendError, match="good"):
        backend.get(["good"])
