"""Values nested without end, in every place where somebody else's data is read: an error, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tq.errors import BackendError, DecodeError, InvalidTask, SerializationError
from tq.records import Delivery, Envelope, Message, Undecodable
from tq.wire.compression import compress
from tq.wire.envelope import pack, unpack
from tq.wire.json import JsonSerializer
from tq.wire.protocol import identify, read_task
from tq.wire.result_document import read_document
from tq.worker.execute import Executor
from tq_sql.results import to_meta

JSON = JsonSerializer()
READERS = {JSON.content_type: JSON}
DEPTHS = [200, 900, 990, 1500, 100_000]
"""Around Python's limit on recursion there are values that one step can read and the next cannot print."""
OPENERS = {"lists": ("[", "]"), "objects": ('{"a":', "}"), "typed": ('{"__type__":"x","__value__":', "}")}


@pytest.fixture(params=DEPTHS)
def depth(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture(params=OPENERS)
def deep(request: pytest.FixtureRequest, depth: int) -> str:
    opening, closing = OPENERS[request.param]
    return opening * depth + "1" + closing * depth


def test_json(deep: str) -> None:
    try:
        JSON.loads(deep.encode())
    except DecodeError:
        return


BODIES: dict[str, Callable[[str], str]] = {
    "whole": lambda deep: deep,
    "arguments": lambda deep: f"[{deep},{{}},{{}}]",
    "one argument": lambda deep: f"[[{deep}],{{}},{{}}]",
    "keyword": lambda deep: f'[[],{{"k":{deep}}},{{}}]',
    "embed": lambda deep: f"[[],{{}},{deep}]",
    "callbacks": lambda deep: f'[[],{{}},{{"callbacks":{deep}}}]',
    "chain": lambda deep: f'[[],{{}},{{"chain":[{{"task":"t","args":[{deep}],"kwargs":{{}}}}]}}]',
    "chord": lambda deep: f'[[],{{}},{{"chord":{{"k":{deep}}}}}]',
    "protocol 1": lambda deep: f'{{"task":"t","id":"i","args":[{deep}]}}',
}


@pytest.mark.parametrize("place", BODIES)
@pytest.mark.parametrize("compressed", [False, True])
def test_body(deep: str, place: str, compressed: bool) -> None:
    headers = {} if place == "protocol 1" else {"task": "t", "id": "i"}
    body = BODIES[place](deep).encode()
    if compressed:
        body, headers["compression"] = compress(body, "zlib")
    works_off(Message(headers, {}, body))


ENVELOPES: dict[str, Callable[[str], str]] = {
    "whole": lambda deep: deep,
    "body": lambda deep: f'{{"body":{deep},"headers":{{}},"properties":{{}}}}',
    "headers": lambda deep: f'{{"body":"[[],{{}},{{}}]","headers":{deep},"properties":{{}}}}',
    "a header": lambda deep: (
        f'{{"body":"[[],{{}},{{}}]","headers":{{"task":"t","id":"i","x":{deep}}},"properties":{{}}}}'
    ),
    "the task": lambda deep: (
        f'{{"body":"[[],{{}},{{}}]","headers":{{"task":{deep},"id":{deep}}},"properties":{{}}}}'
    ),
    "stamps": lambda deep: (
        f'{{"body":"[[],{{}},{{}}]","headers":{{"task":"t","id":"i","stamps":{{"s":{deep}}}}},"properties":{{}}}}'
    ),
    "compression": lambda deep: (
        f'{{"body":"[[],{{}},{{}}]","headers":{{"task":"t","id":"i","compression":{deep}}},"properties":{{}}}}'
    ),
    "properties": lambda deep: f'{{"body":"[[],{{}},{{}}]","headers":{{}},"properties":{deep}}}',
    "body_encoding": lambda deep: (
        f'{{"body":"[[],{{}},{{}}]","headers":{{}},"properties":{{"body_encoding":{deep}}}}}'
    ),
    "a property": lambda deep: (
        f'{{"body":"[[],{{}},{{}}]","headers":{{}},"properties":{{"reply_to":{deep}}}}}'
    ),
    "unknown": lambda deep: f'{{"body":"[[],{{}},{{}}]","headers":{{}},"properties":{{}},"more":{deep}}}',
}


@pytest.mark.parametrize("place", ENVELOPES)
def test_envelope(deep: str, place: str) -> None:
    message = unpack(ENVELOPES[place](deep).encode())
    works_off(message)
    if isinstance(message, Message):
        try:
            assert isinstance(unpack(pack(Envelope(message, "q"))), Message)
        except SerializationError:
            return


def works_off(message: Message | Undecodable) -> None:
    """All that a worker does with a message of a task that it does not know."""
    if isinstance(message, Message):
        identify(message)
        try:
            read_task(message, READERS, size_limit=10**8)
        except (InvalidTask, SerializationError) as exc:
            assert len(str(exc)) < 5000
    executor = Executor({}, READERS, 10**8, freeze=lambda value: value)
    run = executor.admit(Delivery(message, "q", 1))
    settlement = executor.conclude(run)
    assert 0 < len(settlement.reason) < 5000


@pytest.mark.parametrize("field", ["result", "children", "status", "traceback", "more", None])
def test_result_document_of_redis(deep: str, field: str | None) -> None:
    raw = deep if field is None else f'{{"status":"SUCCESS","{field}":{deep}}}'
    try:
        assert read_document("i", raw.encode(), JSON).task_id == "i"
    except BackendError as exc:
        assert len(str(exc)) < 5000


@pytest.mark.parametrize("field", ["result", "children", "args", "kwargs", "stamps"])
def test_result_row_of_sql(deep: str, field: str) -> None:
    names = ("result", "children", "args", "kwargs", "stamps", "date_done", "traceback", "name", "worker")
    row = SimpleNamespace(task_id="i", status="SUCCESS", retries=None, queue=None, **dict.fromkeys(names))
    setattr(row, field, deep.encode())
    try:
        assert to_meta(row, JSON).task_id == "i"
    except DecodeError as exc:
        assert len(str(exc)) < 5000


def test_the_deep_ones_were_not_all_refused_at_once() -> None:
    """Or the places above would not be reached."""
    assert isinstance(unpack(ENVELOPES["a header"]("[" * 200 + "]" * 200).encode()), Message)
