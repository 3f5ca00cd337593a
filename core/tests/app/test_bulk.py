"""Many calls in one publish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tq import TQ, chain
from tq.app.bulk import BATCH
from tq.errors import BrokerUnavailable, ImproperlyConfigured
from tq.records import Envelope


@pytest.fixture
def app() -> TQ:
    app = TQ("t", broker="memory://", backend="cache+memory://")

    @app.task(name="add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    return app


@pytest.fixture
def batches(app: TQ, monkeypatch: pytest.MonkeyPatch) -> list[list[Envelope]]:
    """What the broker was given."""
    seen: list[list[Envelope]] = []
    publish = app.broker.publish

    def noted(batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        seen.append(list(batch))
        return publish(batch, timeout=timeout)

    monkeypatch.setattr(app.broker, "publish", noted)
    return seen


def bodies(app: TQ, batches: list[list[Envelope]]) -> list[Any]:
    reader = app.serializers["json"]
    return [reader.loads(envelope.message.body)[:2] for batch in batches for envelope in batch]


def test_map_async_sends_one_message_for_each_item_in_one_publish(
    app: TQ, batches: list[list[Envelope]]
) -> None:
    results = app.tasks["add"].map_async([1, 2, 3])
    assert [len(batch) for batch in batches] == [3]
    assert bodies(app, batches) == [[[1], {}], [[2], {}], [[3], {}]]
    assert [result.id for result in results.results] == [e.message.headers["id"] for e in batches[0]]


def test_starmap_async_takes_whole_lists_of_arguments_and_options_for_all(
    app: TQ, batches: list[list[Envelope]]
) -> None:
    app.tasks["add"].starmap_async([(1, 2), (3, 4)], queue="other", priority=7)
    assert bodies(app, batches) == [[[1, 2], {}], [[3, 4], {}]]
    assert {(envelope.queue, envelope.priority) for envelope in batches[0]} == {("other", 7)}


def test_more_than_a_batch_goes_in_several_and_keeps_its_order(
    app: TQ, batches: list[list[Envelope]]
) -> None:
    app.tasks["add"].map_async(range(BATCH + 1))
    assert [len(batch) for batch in batches] == [BATCH, 1]
    assert [args for args, _ in bodies(app, batches)] == [[number] for number in range(BATCH + 1)]


def test_nothing_is_sent_for_no_items(app: TQ, batches: list[list[Envelope]]) -> None:
    assert app.tasks["add"].map_async([]).results == []
    assert batches == []


def test_wrong_arguments_are_found_before_their_batch_is_sent(app: TQ, batches: list[list[Envelope]]) -> None:
    with pytest.raises(TypeError, match="add"):
        app.tasks["add"].starmap_async([(1,), (1, 2, 3)])
    assert batches == []


@pytest.mark.parametrize("option", [{"task_id": "a"}, {"unique_for": 3.0}])
def test_options_for_one_call_are_refused(app: TQ, option: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match=next(iter(option))):
        app.tasks["add"].map_async([1], **option)


def test_send_many_takes_signatures_of_several_tasks_with_options_of_their_own(
    app: TQ, batches: list[list[Envelope]]
) -> None:
    add = app.tasks["add"]
    app.send_many([add.s(1, y=2), add.s(3).set(queue="q2"), app.signature("elsewhere", (4,))], priority=3)
    assert [len(batch) for batch in batches] == [3]
    assert bodies(app, batches) == [[[1], {"y": 2}], [[3], {}], [[4], {}]]
    assert [(e.queue, e.priority, e.message.headers["task"]) for e in batches[0]] == [
        ("celery", 3, "add"),
        ("q2", 3, "add"),
        ("celery", 3, "elsewhere"),
    ]


def test_send_many_refuses_a_canvas(app: TQ) -> None:
    add = app.tasks["add"]
    with pytest.raises(ImproperlyConfigured, match="single tasks"):
        app.send_many([chain(add.s(1), add.s(2))])


def test_eager_apps_run_each_call_here(app: TQ) -> None:
    app.conf.update(task_always_eager=True)
    assert app.tasks["add"].map_async([1, 2]).join() == [1, 2]
    assert app.send_many([app.tasks["add"].s(1, 5)]).join() == [6]


def test_an_error_says_how_many_were_accepted(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    publish, calls = app.broker.publish, []

    def breaks(batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        calls.append(len(batch))
        if len(calls) > 1:
            error = BrokerUnavailable("gone")
            error.in_doubt = True
            raise error
        return publish(batch, timeout=timeout)

    monkeypatch.setattr(app.broker, "publish", breaks)
    with pytest.raises(BrokerUnavailable) as caught:
        app.tasks["add"].map_async(range(BATCH * 2))
    assert caught.value.__notes__ == [f"{BATCH} calls were accepted before; up to {BATCH} more may have been"]
