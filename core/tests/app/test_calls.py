"""Sending tasks: what arrives in the queue."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Any

import pytest

from core.tests.app.sent import sent
from tq import TQ, AsyncResult, Broadcast
from tq.errors import BrokerUnavailable, ImproperlyConfigured
from tq.records import Delivery, Message, Queue
from tq.signals import after_task_publish, before_task_publish
from tq.wire.call import TaskCall
from tq.wire.isotime import parse_iso
from tq.wire.json import JsonSerializer
from tq.wire.protocol import read_task


def call_of(delivery: Delivery) -> TaskCall:
    assert isinstance(delivery.message, Message)
    return read_task(delivery.message, {"application/json": JsonSerializer()}, size_limit=10**6)


def only(app: TQ, queue: str = "celery") -> TaskCall:
    (delivery,) = sent(app, queue)
    return call_of(delivery)


def test_delay_sends_arguments_and_returns_the_result_of_that_id(app: TQ) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    result = add.delay(1, y=2)
    call = only(app)
    assert (call.id, call.task, list(call.args), call.kwargs) == (result.id, add.name, [1], {"y": 2})
    assert isinstance(result, AsyncResult)


def test_a_direct_call_is_a_plain_call(app: TQ) -> None:
    @app.task(bind=True)
    def add(self: Any, x: int) -> tuple[int, bool]:
        return x + 1, self.request.called_directly

    assert add(1) == (2, True)
    assert sent(app) == []


def test_the_options_of_the_task_go_with_every_call_and_those_of_the_call_win(app: TQ) -> None:
    @app.task(queue="slow", priority=3, time_limit=9, ignore_result=True, expires=3600)
    def work() -> None: ...

    work.delay()
    call = only(app, "slow")
    assert (call.priority, call.time_limit, call.ignore_result) == (3, 9, True)
    assert call.expires is not None
    assert parse_iso(call.expires) == pytest.approx(time.time() + 3600, abs=60)
    work.apply_async(queue="fast", priority=0, time_limit=1, ignore_result=False)
    call = only(app, "fast")
    assert (call.priority, call.time_limit, call.ignore_result) == (0, 1, False)
    work.apply_async(queue=None, priority=None)
    assert only(app, "slow").priority == 3


def test_a_call_that_asked_for_no_result_has_none_to_wait_for(app: TQ) -> None:
    @app.task(ignore_result=True)
    def quiet() -> int:
        return 1

    result = quiet.delay()
    assert result.ignored and result.get() is None
    assert app.send_task("x", ignore_result=True).ignored
    assert not app.send_task("x").ignored
    assert not quiet.apply_async(ignore_result=False).ignored


def test_the_default_queue_and_routes_come_from_the_settings(make_app: Any) -> None:
    app = make_app(task_default_queue="home", task_routes={"mail.*": {"queue": "mails"}})
    app.send_task("mail.send", ("x",))
    app.send_task("other")
    assert only(app, "mails").task == "mail.send"
    assert only(app, "home").task == "other"


def test_queues_that_name_no_exchange_have_the_default_one_with_its_type_and_key(make_app: Any) -> None:
    # The example of Celery's page about routing.
    default = {
        "task_default_queue": "default",
        "task_default_exchange": "tasks",
        "task_default_exchange_type": "topic",
        "task_default_routing_key": "task.default",
    }
    app = make_app(**default)
    assert app.queues == (Queue("default", "tasks", "topic", "task.default"),)
    declared = (Queue("default", routing_key="task.#"), Queue("feeds", routing_key="feed.#"))
    own = Queue("own", "others", routing_key="own")
    app = make_app(**default, task_queues=(*declared, own, Queue("plain"), Broadcast("all")))
    assert app.queues == (
        Queue("default", "tasks", "topic", "task.#"),
        Queue("feeds", "tasks", "topic", "feed.#"),
        own,
        Queue("plain", "tasks", "topic", "task.default"),
        Broadcast("all"),
    )
    assert app.broadcasts.channels["all"].key == "task.default"
    app.send_task("one", routing_key="feed.import")
    app.send_task("two", queue="feeds", routing_key="feed.import")
    app.send_task("three")
    assert [call_of(one).task for one in sent(app, "feeds")] == ["one", "two"]
    assert [call_of(one).task for one in sent(app, "default")] == ["three"]


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ({}, Queue("a")),
        ({"task_default_exchange": "x"}, Queue("a", "x")),
        ({"task_default_exchange_type": "fanout"}, Queue("a", "celery", "fanout")),
        ({"task_default_routing_key": "k"}, Queue("a", routing_key="k")),
    ],
)
def test_each_default_of_queues_counts_by_itself(
    make_app: Any, default: dict[str, str], expected: Queue
) -> None:
    assert make_app(task_queues=["a"], **default).queues == (expected,)


def test_a_countdown_waits_in_the_broker(app: TQ) -> None:
    app.send_task("t", countdown=0.05)
    assert sent(app) == []
    time.sleep(0.06)
    assert only(app).eta is not None


def test_naive_moments_are_in_the_zone_of_the_app(make_app: Any) -> None:
    app = make_app(timezone="Asia/Tokyo")
    app.send_task("t", expires=dt.datetime(2100, 1, 1, 9))
    assert parse_iso(only(app).expires or "") == dt.datetime(2100, 1, 1, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(("utc", "hour"), [(True, 9), (False, 0)])
def test_without_a_zone_they_are_utc_or_the_machine_s_own(
    make_app: Any, monkeypatch: pytest.MonkeyPatch, utc: bool, hour: int
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        app = make_app(enable_utc=utc)
        app.send_task("t", expires=dt.datetime(2100, 1, 1, 9))
        assert parse_iso(only(app).expires or "") == dt.datetime(2100, 1, 1, hour, tzinfo=dt.UTC).timestamp()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_unknown_options_are_refused_with_a_suggestion(app: TQ) -> None:
    task = app.task(name="t")(lambda: None)
    for send in (task.apply_async, task.apply, task.s().apply_async, lambda **o: app.send_task("t", **o)):
        with pytest.raises(TypeError, match="no option 'countdwn'; did you mean 'countdown'"):
            send(countdwn=1)  # type: ignore[call-arg]
    assert sent(app) == []


def test_signatures_are_sent_with_more_arguments_and_options(app: TQ) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    add.s(2).set(queue="q").delay(1)
    assert list(only(app, "q").args) == [1, 2]
    add.si(3, 4).apply_async((9,), task_id="given")
    call = only(app)
    assert (list(call.args), call.id) == ([3, 4], "given")
    with pytest.raises(TypeError, match="missing 1 required"):
        add.s(1).delay()


def test_links_travel_as_signatures(app: TQ) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    add.apply_async((1, 2), link=add.s(3), link_error=[app.signature("alarm")])
    call = only(app)
    assert call.callbacks is not None
    assert call.errbacks is not None
    assert [callback["args"] for callback in call.callbacks] == [[3]]
    assert [errback["task"] for errback in call.errbacks] == ["alarm"]


def test_a_chord_without_a_store_that_counts_is_refused_when_it_is_sent(make_app: Any) -> None:
    app = make_app(backend=None)
    tasks = {"header": [{"task": "a"}], "body": {"task": "b"}}
    chord = app.signature({"task": "celery.chord", "subtask_type": "chord", "kwargs": tasks})
    with pytest.raises(ImproperlyConfigured, match="needs a result backend"):
        chord.delay()
    assert sent(app) == []


def test_async_code_sends_without_blocking_its_loop(app: TQ) -> None:
    @app.task
    async def page(url: str) -> str:
        return url

    async def main() -> list[str]:
        one = await page.adelay("a")
        two = await page.aapply_async(("b",), task_id="two")
        return [one.id, two.id]

    ids = asyncio.run(main())
    assert [call_of(delivery).id for delivery in sent(app)] == ids
    assert ids[1] == "two"


def test_receivers_that_connect_after_the_first_publish_are_heard(app: TQ) -> None:
    app.send_task("t")
    told: list[Any] = []

    def before(sender: Any, headers: Any, **kwargs: Any) -> None:
        headers["tenant"] = "me"
        told.append(("before", sender))

    def after(sender: Any, **kwargs: Any) -> None:
        told.append(("after", sender))

    before_task_publish.connect(before)
    after_task_publish.connect(after)
    try:
        app.send_task("t")
    finally:
        before_task_publish.disconnect(before)
        after_task_publish.disconnect(after)
    assert told == [("before", "t"), ("after", "t")]
    assert [call_of(delivery).headers.get("tenant") for delivery in sent(app)] == [None, "me"]


def test_an_app_that_ended_is_not_kept_by_the_signals(make_app: Any) -> None:
    import gc
    import weakref

    app = TQ("gone", broker="memory://gone", set_as_current=False)
    app.send_task("t")
    known = weakref.ref(app)
    app.close()
    del app
    gc.collect()
    assert known() is None
    before_task_publish.connect(_listener)
    before_task_publish.disconnect(_listener)


def _listener(**kwargs: Any) -> None: ...


def test_without_a_broker_a_call_raises_within_the_deadline_naming_the_url(
    make_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(broker_publish_timeout=0.3)

    def unreachable(batch: Any, *, timeout: float) -> Any:
        raise BrokerUnavailable("no connection to redis://:**@nowhere:1", url="redis://:**@nowhere:1")

    monkeypatch.setattr(app.broker, "publish", unreachable)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="nowhere:1"):
        app.send_task("t")
    assert time.monotonic() - began < 30


def test_pydantic_models_travel_as_plain_values(app: TQ) -> None:
    pydantic = pytest.importorskip("pydantic")
    order_type = pydantic.create_model("Order", item=(str, ...), count=(int, 1))

    def buy(order: Any, note: str = "") -> Any:
        return order.count

    buy.__annotations__ = {"order": order_type, "note": str}
    task = app.task(name="buy", pydantic=True)(buy)
    task.delay(order_type(item="x", count=3), note="n")
    assert list(only(app).args) == [{"item": "x", "count": 3}]
    assert task.apply(({"item": "x", "count": 4},)).get() == 4
