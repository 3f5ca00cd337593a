"""A message that looks like one before it says the same as when its table is read byte by byte."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tq.records import Message
from tq.wire import arrived
from tq.wire.call import TaskCall
from tq.wire.json import JsonSerializer
from tq.wire.protocol import read_task, write_task
from tq_amqp import messages
from tq_amqp.forms import Forms, Known, read_again
from tq_amqp.protocol.incoming import Incoming

READERS = {"application/json": JsonSerializer()}
ids = st.uuids().map(str)
calls = st.builds(
    TaskCall,
    id=ids,
    task=st.sampled_from(["shop.add", "größe"]),
    args=st.lists(st.integers(0, 9), max_size=2),
    eta=st.none() | st.just("2030-01-01T00:00:00+00:00"),
    retries=st.integers(0, 9),
    time_limit=st.none() | st.integers(0, 9),
    group=st.none() | ids,
    group_index=st.none() | st.integers(0, 9),
    root_id=st.none() | ids,
    parent_id=st.none() | ids,
    reply_to=st.none() | ids,
    stamps=st.just({}) | st.just({"tenant": ["a"]}),
    stamped_headers=st.none() | st.just(["tenant"]),
    priority=st.none() | st.integers(0, 9),
    headers=st.just({}) | st.just({"mine": [1, "ü"]}) | st.just({"correlation_id": "x"}),
)


def sent(call: TaskCall) -> Incoming:
    message = write_task(call, JsonSerializer())
    written = messages.write(message, priority=call.priority)
    return Incoming("0.1", 1, False, "", "celery", written, message.body)


def whole(found: Any) -> Any:
    """All that a message says, whichever way it was read."""
    return arrived.whole(found) if isinstance(found, Message) else found


def fields(call: TaskCall) -> dict[str, Any]:
    return {name: getattr(call, name) for name in TaskCall.__struct_fields__ if name != "message"}


@given(
    first=calls,
    new=st.tuples(ids, ids),
    changed=st.none() | st.tuples(st.integers(0, 2000), st.integers(0, 255)),
)
def test_a_known_form_says_what_the_table_says(
    first: TaskCall, new: tuple[str, str], changed: tuple[int, int] | None
) -> None:
    forms = Forms()
    forms.read(sent(first), "celery")
    ours = {"id": new[0], "root_id": first.root_id and new[1], "reply_to": first.reply_to and new[1]}
    second = sent(TaskCall(**{**fields(first), **ours}))
    if changed is not None:
        # Whatever a queue holds: a byte that is not as it was makes it another message, or none.
        at, value = changed[0] % len(second.properties), changed[1]
        properties = second.properties[:at] + bytes((value,)) + second.properties[at + 1 :]
        second = msgspec.structs.replace(second, properties=properties)
    found, added = forms.read(second, "celery")
    again = read_again(carried) if isinstance(found, Known) and (carried := found.carried()) else None
    expected, also = messages.read(second, "celery")
    assert added == also
    if isinstance(found, Known):
        # Before anything has looked at its dictionaries.
        assert fields(read_task(found, READERS, size_limit=10**6)) == fields(
            read_task(expected, READERS, size_limit=10**6)  # type: ignore[arg-type]
        )
        assert whole(again) == whole(expected)
    assert whole(found) == whole(expected)


def test_one_that_may_have_been_changed_is_not_carried_as_it_came() -> None:
    forms = Forms()
    _, message = (forms.read(sent(TaskCall(id=f"task-{n}", task="shop.add")), "celery")[0] for n in range(2))
    assert isinstance(message, Known)
    assert message.carried()
    message.headers["mine"] = "changed"
    assert message.carried() == b""


def test_messages_of_one_form_share_nothing_that_can_be_changed() -> None:
    forms = Forms()
    one, two, three = (
        forms.read(sent(TaskCall(id=f"task-{n}", task="shop.add", args=[n])), "celery")[0] for n in range(3)
    )
    assert isinstance(one, Message)
    assert not isinstance(one, Known)
    assert isinstance(two, Known)
    assert isinstance(three, Known)
    one.headers["timelimit"].append("x")
    one.headers["more"] = one.properties["more"] = "x"
    two.headers["timelimit"].append("x")
    two.headers["stamps"]["x"] = 1
    two.properties["delivery_info"]["x"] = 1
    fresh = forms.read(sent(TaskCall(id="task-2", task="shop.add", args=[2])), "celery")[0]
    assert whole(three) == whole(fresh)
    assert three.headers["id"] == three.properties["correlation_id"] == "task-2"
    assert three.headers["timelimit"] == [None, None]
    assert "more" not in {**three.headers, **three.properties}
