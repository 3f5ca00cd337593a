"""What calls have in common is decided once, and each is sent as if it were the only one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core.tests.app.sent import sent
from tq import TQ, chord, group
from tq.records import Envelope, Message
from tq.wire.ids import new_id
from tq.wire.prepared import Prepared

_EACH_ANOTHER = {"id", "root_id", "group", "correlation_id", "delivery_tag", "reply_to"}


def app_with(routes: Any) -> TQ:
    # A store of its own: others of this process may have sent to queues of the same names.
    url = f"memory://{new_id()}"
    app = TQ("t", broker=url, backend="cache+memory://", task_routes=routes, set_as_current=False)

    @app.task(name="add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    @app.task(name="urgent", priority=7, time_limit=5)
    def urgent(*args: Any) -> None:
        """Has options of its own."""

    return app


def group_of_several(app: TQ) -> Any:
    add, urgent = app.tasks["add"], app.tasks["urgent"]
    members = [add.s(1), add.s(2), add.s(3, y=4), add.s(5).set(priority=3), urgent.s(6), urgent.s(7)]
    return group([*members, app.signature("elsewhere", (8,)), app.signature("elsewhere", (9,))])


def groups(app: TQ) -> None:
    group_of_several(app).apply_async()


def chords(app: TQ) -> None:
    add = app.tasks["add"]
    chord([add.s(1), add.s(2), add.s(3)], add.s(4).set(countdown=60))()


def many(app: TQ) -> None:
    app.send_many(group_of_several(app).tasks, shadow="é")


def maps(app: TQ) -> None:
    app.tasks["add"].map_async([1, 2], shadow="b", link=[app.tasks["urgent"].s()])


def one_by_one(app: TQ) -> None:
    add, urgent = app.tasks["add"], app.tasks["urgent"]
    for number in range(3):
        add.delay(number)
    for options in (
        {"shadow": "a"},
        {"shadow": "a"},
        {"shadow": "b"},
        {"task_id": "mine"},
        {"headers": {"a": 1}},
    ):
        add.apply_async((1,), **options)
    for _ in range(3):
        urgent.delay("\ud800")
    app.conf.task_ignore_result = True
    for _ in range(3):
        add.delay(5)


def messages(app: TQ, send: Callable[[TQ], None]) -> list[Any]:
    """What is the same whenever it is sent."""
    send(app)
    return [
        (
            {n: v for n, v in message.headers.items() if n not in _EACH_ANOTHER},
            {n: v for n, v in message.properties.items() if n not in _EACH_ANOTHER},
            [message.headers["root_id"] == message.headers["id"], message.headers["group"] is None],
            [part for part in app.serializers["json"].loads(message.body)[:2]],
        )
        for delivery in sent(app)
        if isinstance(message := delivery.message, Message)
    ]


@pytest.mark.parametrize("send", [groups, chords, many, maps, one_by_one])
def test_what_is_sent_is_what_each_call_would_send_by_itself(send: Callable[[TQ], None]) -> None:
    # A router that may look at arguments is asked for each call, so nothing is decided for several.
    def nowhere_else(*args: Any, **kwargs: Any) -> None:
        return None

    alone = messages(app_with([nowhere_else]), send)
    assert alone
    assert messages(app_with({"other.*": "q"}), send) == alone


def test_a_route_by_arguments_is_asked_for_each_call() -> None:
    def by_arguments(name: str, args: Any, *others: Any, **more: Any) -> str:
        return f"q{args[0]}"

    app = app_with([by_arguments])
    app.tasks["add"].map_async([1, 2])
    for _ in range(3):
        app.tasks["add"].delay(3)
    assert [len(sent(app, queue)) for queue in ("q1", "q2", "q3")] == [1, 1, 3]


def test_calls_that_are_alike_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_with(None)
    seen: list[type] = []
    publish = app.broker.publish

    def noted(batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        seen.extend(type(envelope.message) for envelope in batch)
        return publish(batch, timeout=timeout)

    monkeypatch.setattr(app.broker, "publish", noted)
    group(app.tasks["add"].s(number) for number in range(3)).apply_async()
    app.tasks["add"].map_async([1, 2])
    for _ in range(3):
        app.tasks["add"].delay(1)
    assert seen == [Message, *[Prepared] * 4, Message, *[Prepared] * 2]
