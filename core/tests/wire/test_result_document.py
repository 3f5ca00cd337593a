"""Result documents: in Celery's form, and read also where Celery compressed them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tq.errors import BackendError
from tq.records import TaskMeta
from tq.wire.json import JsonSerializer
from tq.wire.result_document import (
    compress_document,
    last_of_each,
    read_document,
    to_document,
    write_document,
)

JSON = JsonSerializer()


def test_a_document_comes_back_as_it_was_written() -> None:
    meta = TaskMeta("a", "SUCCESS", {"k": [1, "größe"]}, group_id="g", name="n", args=[1], retries=2)
    assert read_document("a", write_document(meta, JSON), JSON) == meta


def test_of_a_batch_the_last_document_of_each_task_is_left_but_a_success_stands() -> None:
    started, failed, done = (TaskMeta("a", status, None) for status in ("STARTED", "FAILURE", "SUCCESS"))
    other = TaskMeta("b", "STARTED", None)
    assert last_of_each([started, other, failed]) == {"a": failed, "b": other}
    assert last_of_each([started, done, failed]) == {"a": done}
    assert last_of_each([]) == {}


def test_the_status_comes_first_and_fields_without_a_value_are_left_out_as_celery_does() -> None:
    raw = write_document(TaskMeta("a", "STARTED"), JSON)
    assert raw.startswith(b'{"status"')
    assert list(JSON.loads(raw)) == ["status", "result", "traceback", "children", "date_done", "task_id"]


def test_stamps_are_fields_of_the_document_as_celery_writes_them() -> None:
    meta = TaskMeta("a", "SUCCESS", 1, name="n", stamps={"tenant": "x", "tags": [1]})
    raw = write_document(meta, JSON)
    document = JSON.loads(raw)
    assert (document["stamped_headers"], document["tenant"]) == (["tenant", "tags"], "x")
    assert raw.startswith(b'{"status"')
    assert read_document("a", raw, JSON) == meta


def test_a_stamp_does_not_change_the_document_itself() -> None:
    raw = write_document(TaskMeta("a", "SUCCESS", 1, stamps={"status": "FAILURE", "result": 2}), JSON)
    found = read_document("a", raw, JSON)
    assert (found.status, found.result) == ("SUCCESS", 1)


@pytest.mark.parametrize("method", ["gzip", "bzip2", "lzma"])
def test_a_compressed_document_is_read(method: str) -> None:
    raw = compress_document(write_document(TaskMeta("a", "SUCCESS", 1), JSON), method)
    assert raw.startswith(b"\0celery-compressed\0application/x-")
    assert read_document("a", raw, JSON).result == 1


@pytest.mark.parametrize("raw", [b"", b"[1]", b"{", b'{"result": 1}', b"\0celery-compressed\0x\0y"])
def test_what_is_no_document_is_an_error_that_names_the_task(raw: bytes) -> None:
    with pytest.raises(BackendError, match="task-7"):
        read_document("task-7", raw, JSON)


def test_a_traceback_that_is_no_text_is_left_out_as_javascript_workers_write_their_value_there() -> None:
    raw = b'{"status": "SUCCESS", "result": 5, "traceback": 5, "children": []}'
    found = read_document("t", raw, JsonSerializer())
    assert (found.result, found.traceback) == (5, None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"result": {"k": [1, "größe", None, 0.5, True]}, "date_done": "2026-01-01T00:00:00+00:00"},
        {"result": float("nan"), "group_id": "g"},
        {"result": dt.datetime(2026, 1, 1), "parent_id": "p"},
        {"result": "half of a pair: \ud800"},
        {"traceback": "half of a pair: \ud800", "group_id": "g", "parent_id": "p"},
        {"date_done": dt.datetime(2026, 1, 1)},
        {"children": [(("c", None), None)]},
    ],
)
def test_the_short_way_writes_what_the_long_way_writes(fields: dict[str, Any]) -> None:
    meta = TaskMeta("a", "SUCCESS", **fields)
    written = write_document(meta, JSON)
    assert written == JSON.dumps(to_document(meta))
