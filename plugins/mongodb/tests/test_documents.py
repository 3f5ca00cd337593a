"""Result documents: Celery's are read, and ours have their shape."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import Any

import pytest

from plugins.mongodb.tests.conftest import NewBackend, Raw
from tq.errors import BackendError, BrokerError
from tq.records import Action, GroupPart, GroupStart, TaskMeta
from tq.testing.broker_kit import envelope, settle
from tq.wire.result_document import compress_document
from tq_mongodb import MongoBackend, MongoBroker

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 678000, dt.UTC)


class Pickled:
    """A serializer that writes no text."""

    api_version, name, content_type, content_encoding, safe = 1, "pickled", "application/x", "binary", False

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


def celerys(task_id: str, **fields: Any) -> dict[str, Any]:
    """A document as Celery 5.7 writes it."""
    return {
        "status": "SUCCESS",
        "result": '{"x": [1, "gr\\u00f6\\u00dfe"]}',
        "traceback": None,
        "children": [],
        "date_done": MOMENT,
        "_id": task_id,
        **fields,
    }


def test_a_result_of_celery_is_read(backend: MongoBackend, raw: Raw) -> None:
    more = {"name": "a.b", "args": [1], "kwargs": {"k": 2}, "worker": "w", "retries": 1, "queue": "q"}
    raw["celery_taskmeta"].insert_one(celerys("a", group_id="g", parent_id="p", **more))
    meta = backend.wait(["a"], 60)["a"]
    assert (meta.status, meta.result, meta.children) == ("SUCCESS", {"x": [1, "größe"]}, [])
    assert (meta.date_done, meta.group_id, meta.parent_id) == ("2026-01-02T03:04:05.678000+00:00", "g", "p")
    assert (meta.name, meta.args, meta.kwargs, meta.retries) == ("a.b", [1], {"k": 2}, 1)
    packed = compress_document(b"[7]", "zlib")
    raw["celery_taskmeta"].insert_one(celerys("packed", result=packed))
    assert backend.get(["packed"])["packed"].result == [7]


def test_a_document_of_ours_has_the_shape_of_celerys(backend: MongoBackend, raw: Raw) -> None:
    done = MOMENT.isoformat().replace("678", "678901")
    backend.store([TaskMeta("ours", "SUCCESS", {"x": 1}, date_done=done, children=[[["c", None], None]])])
    ours, theirs = raw["celery_taskmeta"].find_one({"_id": "ours"}), celerys("theirs")
    assert ours is not None
    kinds = {key: type(ours[key]) for key in theirs}
    assert kinds == {key: type(value) for key, value in theirs.items()}
    assert ours["date_done"].replace(microsecond=0) == MOMENT.replace(microsecond=0)
    assert set(ours) - set(theirs) == {"tq_stored", "tq_date_done"}
    assert backend.get(["ours"])["ours"].date_done == done


def test_an_index_that_somebody_else_made_will_do(backend: MongoBackend, raw: Raw) -> None:
    raw["celery_taskmeta"].create_index("date_done", name="date_done_1", sparse=True)
    backend.store([TaskMeta("a", "SUCCESS", 1)])
    assert backend.get(["a"])["a"].result == 1


def test_success_of_celery_is_final_for_us(backend: MongoBackend, raw: Raw) -> None:
    raw["celery_taskmeta"].insert_one(celerys("a"))
    backend.store([TaskMeta("a", "FAILURE"), TaskMeta("b", "FAILURE")])
    assert {i: meta.status for i, meta in backend.get(["a", "b"]).items()} == {"a": "SUCCESS", "b": "FAILURE"}


def test_a_serializer_that_writes_no_text_writes_bytes(
    mongodb_url: str, backend_at: NewBackend, raw: Raw
) -> None:
    backend = backend_at(mongodb_url, serializer=Pickled())
    backend.store([TaskMeta("a", "SUCCESS", (1, {2}))])
    found = raw["celery_taskmeta"].find_one({"_id": "a"})
    assert found is not None and isinstance(found["result"], bytes)
    assert backend.get(["a"])["a"].result == (1, {2})


@pytest.mark.parametrize("result", ["{", 7, b"\x80\x04N."])
def test_what_is_no_result_is_an_error_that_names_the_task(
    backend: MongoBackend, raw: Raw, result: Any
) -> None:
    raw["celery_taskmeta"].insert_one(celerys("odd", result=result))
    with pytest.raises(BackendError, match="task odd cannot be read"):
        backend.get(["odd"])


def test_what_mongodb_cannot_hold_is_an_error_that_names_the_task(backend: MongoBackend) -> None:
    for args in ([2**70], [object()]):
        with pytest.raises(BackendError, match="task odd cannot be stored"):
            backend.store([TaskMeta("odd", "SUCCESS", 1, name="n", args=args)])
    with pytest.raises(BackendError, match="16 MB"):
        backend.store([TaskMeta("odd", "SUCCESS", "x" * 17 * 2**20)])
    assert backend.get(["odd"]) == {}


def test_saved_groups_are_shared_with_celery(backend: MongoBackend, raw: Raw) -> None:
    structure = [["g", None], [[["a", None], None], [["inner", None], [[["b", None], None]]]]]
    backend.save_group("g", structure)
    saved = raw["celery_groupmeta"].find_one({"_id": "g"})
    assert saved is not None
    assert (saved["result"].replace(" ", ""), type(saved["date_done"])) == ('["a","inner"]', dt.datetime)
    assert backend.load_group("g") == structure
    raw["celery_groupmeta"].insert_one({"_id": "theirs", "result": '["a", "b"]', "date_done": MOMENT})
    assert backend.load_group("theirs") == [["theirs", None], [[["a", None], None], [["b", None], None]]]
    raw["celery_groupmeta"].insert_one({"_id": "odd", "result": "{", "date_done": MOMENT})
    with pytest.raises(BackendError, match="saved group odd"):
        backend.load_group("odd")


def test_all_that_expired_is_removed(
    mongodb_url: str, backend_at: NewBackend, backend: MongoBackend, raw: Raw
) -> None:
    raw["celery_taskmeta"].insert_one(celerys("old"))
    backend.store([TaskMeta("going", "STARTED"), TaskMeta("young", "STARTED")])
    backend.save_group("g", [["g", None], []])
    backend.start_group(GroupStart("group", 2))
    backend.count([GroupPart("group", 0, "t", "SUCCESS", 1)])
    for name, field in (
        ("celery_taskmeta", "tq_stored"),
        ("celery_groupmeta", "date_done"),
        ("tq_groups", "changed"),
    ):
        raw[name].update_many({"_id": {"$nin": ["young", "old"]}}, {"$set": {field: MOMENT}})
    assert backend_at(mongodb_url, expires=None).cleanup() == 0
    assert backend.cleanup() == 4
    assert set(backend.get(["old", "going", "young"])) == {"young"}
    assert raw["tq_group_parts"].count_documents({}) == 0


def test_what_bson_has_no_form_for_loses_nothing(backend: MongoBackend, mongodb_url: str) -> None:
    """Half a surrogate pair, which file names bring into exceptions, and a moment after the year 2262."""
    backend.store([TaskMeta("a", "FAILURE", {"exc_type": "E"}, traceback="no file \udcff")])
    assert backend.get(["a"])["a"].traceback == "no file \\udcff"
    with pytest.raises(BackendError, match="no form"):
        backend.get(["\udcff"])
    broker = MongoBroker(mongodb_url, {"operation_timeout": 60.0})
    sent = [envelope("q", "one"), envelope("q", "never", delay=1e10)]
    assert broker.publish(sent, timeout=60) == [None, None]
    consumer = broker.consumer(["q"], "c", lease=60)
    assert settle(consumer, consumer.receive(2, 60), Action.DEAD, reason="no file \udcff") == [True]
    assert [letter.reason for letter in broker.dead_letters("q")] == ["no file \\udcff"]
    with pytest.raises(BrokerError, match="no form"):
        broker.stats("\udcff")
    consumer.close()
    broker.close()
