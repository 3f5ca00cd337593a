"""A signed task message is good for one message, once, for some time; a redelivery is no copy."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from plugins.auth.tests.conftest import MakeSerializer
from tq.errors import DecodeError, InvalidTask
from tq.records import Message
from tq.wire.protocol import TaskCall, read_task, write_task
from tq_auth.ran import Ran
from tq_auth.seal import NONCE
from tq_auth.serializer import AuthSerializer

CALL = TaskCall(id="i1", task="bank.pay", args=[1, "me"], kwargs={"now": True}, time_limit=30, retries=2)


def read(message: Message, serializer: AuthSerializer) -> TaskCall:
    return read_task(message, {"application/data": serializer}, size_limit=10_000)


def with_headers(message: Message, **changed: Any) -> Message:
    return msgspec.structs.replace(message, headers={**message.headers, **changed})


def unsealed(serializer: AuthSerializer, body: Any, **headers: Any) -> Message:
    """As Celery signs."""
    return Message(
        {"id": "i1", "task": "bank.pay", **headers}, {}, serializer.dumps(body), "application/data", "utf-8"
    )


@pytest.mark.parametrize("window", [None, 300.0])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_call_comes_back_as_it_was_written(
    serializer: MakeSerializer, window: float | None, compression: str | None
) -> None:
    link = {"task": "bank.tell", "args": [], "kwargs": {}, "options": {}, "immutable": False}
    call = msgspec.structs.replace(CALL, callbacks=[link])
    back = read(write_task(call, serializer(), compression=compression), serializer(window=window))
    assert (back.id, back.task, back.args, back.kwargs) == (call.id, call.task, call.args, call.kwargs)
    assert (back.callbacks, back.time_limit, back.retries) == ([link], 30, 2)
    assert back.serializer == "auth"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "bank.close"),
        ("id", "i2"),
        ("eta", "2030-01-01T00:00:00+00:00"),
        ("expires", "2030-01-01T00:00:00+00:00"),
        ("retries", 0),
        ("timelimit", [None, None]),
        ("group", "g"),
        ("ignore_result", True),
        (NONCE, "another"),
    ],
)
@pytest.mark.parametrize("window", [None, 300.0])
def test_a_body_is_refused_under_other_headers(
    serializer: MakeSerializer, name: str, value: Any, window: float | None
) -> None:
    moved = with_headers(write_task(CALL, serializer()), **{name: value})
    with pytest.raises(DecodeError, match=f"headers were changed after signing: {name}$"):
        read(moved, serializer(window=window))


def test_headers_that_others_add_do_not_matter(serializer: MakeSerializer) -> None:
    message = with_headers(write_task(CALL, serializer()), traceparent="00-1", redelivered=True, argsrepr="x")
    assert read(message, serializer(window=300.0)).headers["traceparent"] == "00-1"


@pytest.mark.parametrize(("after", "good"), [(-30, True), (0, True), (300, True), (359, True), (361, False)])
def test_a_message_is_good_for_the_window_and_the_difference_of_clocks(
    serializer: MakeSerializer, after: float, good: bool
) -> None:
    message = write_task(CALL, serializer())
    reader = serializer(window=300.0, after=after)
    if good:
        assert read(message, reader).id == "i1"
    else:
        with pytest.raises(DecodeError, match=r"361 seconds ago, and security_replay_window is 300"):
            read(message, reader)


def test_a_message_from_the_future_is_refused(serializer: MakeSerializer) -> None:
    with pytest.raises(DecodeError, match="120 seconds in the future: compare the clocks"):
        read(write_task(CALL, serializer(after=120)), serializer(window=300.0))


def test_the_window_of_a_delayed_message_begins_when_it_is_due(serializer: MakeSerializer) -> None:
    later = msgspec.structs.replace(CALL, eta="2026-06-01T18:00:00+00:00")
    message = write_task(later, serializer())
    assert read(message, serializer(window=300.0, after=6 * 3600 + 100)).id == "i1"
    with pytest.raises(DecodeError, match="seconds ago"):
        read(message, serializer(window=300.0, after=6 * 3600 + 400))


def test_without_a_window_age_does_not_matter(serializer: MakeSerializer) -> None:
    assert read(write_task(CALL, serializer()), serializer(after=80_000)).id == "i1"


def test_a_message_may_be_read_again_until_it_runs_and_a_copy_is_refused_after(
    serializer: MakeSerializer,
) -> None:
    ran = Ran()
    reader = serializer(window=300.0, ran=ran)
    message = write_task(CALL, serializer())
    for _ in range(3):
        assert read(message, reader).id == "i1"
    ran.add(message.headers[NONCE])
    with pytest.raises(DecodeError, match="ran in this process already"):
        read(message, reader)
    assert read(write_task(CALL, serializer()), reader).id == "i1", "the same call, signed anew, is no copy"


def test_signed_without_a_seal_is_taken_only_without_a_window(serializer: MakeSerializer) -> None:
    message = unsealed(serializer(), [[1], {}, {}])
    assert read(message, serializer()).args == [1]
    with pytest.raises(DecodeError, match=r"without a seal, as Celery .*leave that setting out"):
        read(message, serializer(window=300.0))


def test_a_signed_result_cannot_be_made_a_task(serializer: MakeSerializer) -> None:
    result = {"task_id": "i1", "status": "SUCCESS", "args": [1], "kwargs": {}, "name": "bank.pay"}
    with pytest.raises(DecodeError, match="another task or id"):
        read(unsealed(serializer(), result), serializer())
    bare = Message({}, {}, serializer().dumps(result), "application/data", "utf-8")
    with pytest.raises(InvalidTask):
        read(bare, serializer())


def test_protocol_1_names_its_task_inside_what_is_signed(serializer: MakeSerializer) -> None:
    body = {"task": "bank.pay", "id": "i1", "args": [1], "kwargs": {}}
    assert read(unsealed(serializer(), body), serializer()).args == [1]
    bare = Message({}, {}, serializer().dumps(body), "application/data", "utf-8")
    assert read(bare, serializer()).task == "bank.pay"
    with pytest.raises(DecodeError, match="another task or id"):
        read(unsealed(serializer(), body, task="bank.close"), serializer())


@pytest.mark.parametrize("seal", [7, {}, {"at": "x", "nonce": "n", "headers": {}}, None])
def test_a_seal_that_makes_no_sense_is_refused(serializer: MakeSerializer, seal: Any) -> None:
    with pytest.raises(DecodeError, match="seal of the signed message cannot be read"):
        read(unsealed(serializer(), [[1], {}, {"tq_seal": seal}]), serializer())


def test_only_what_the_window_asks_for_is_remembered_and_not_longer() -> None:
    now = [0.0]
    ran = Ran(lambda: now[0])
    ran.add("before anybody asked")
    assert len(ran) == 0
    ran.watch(10.0)
    ran.add("one")
    now[0] = 9.0
    ran.add("two")
    assert "one" in ran and "two" in ran
    now[0] = 12.0
    ran.add("three")
    assert "one" not in ran and "two" in ran
    assert len(ran) == 2
    ran.discard("two")
    assert "two" not in ran
