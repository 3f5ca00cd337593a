"""Workflows from end to end, on stores in memory."""

from __future__ import annotations

from typing import Any

import pytest

from core.tests.canvas.stage import Stage, every_result
from tq import TQ, AsyncResult, ChordError, GroupResult, chain, chord, group, signature
from tq.app.task import Task


@pytest.fixture
def add(app: TQ) -> Task[..., Any]:
    return app.task(name="add")(lambda x, y: x + y)


@pytest.fixture
def total(app: TQ) -> Task[..., Any]:
    return app.task(name="total")(lambda numbers: sum(numbers))


@pytest.fixture
def boom(app: TQ) -> Task[..., Any]:
    def boom(*args: Any) -> None:
        raise ValueError("boom")

    return app.task(name="boom")(boom)


def result_of(app: TQ, canvas: Any, *args: Any, **options: Any) -> Any:
    sent = canvas.apply_async(args, **options)
    Stage(app).drain()
    return sent.get(timeout=5)


def test_a_chain_hands_each_result_on(app: TQ, add: Any) -> None:
    assert result_of(app, add.s(1, 2) | add.s(3) | add.si(10, 10) | add.s(1)) == 21
    assert result_of(app, chain(add.s(1), add.s(2)), 5) == 8


def test_a_chains_result_knows_those_before_it(app: TQ, add: Any) -> None:
    sent = chain(add.s(1, 1), add.s(1), add.s(1)).delay()
    Stage(app).drain()
    assert (sent.get(), sent.parent.get(), sent.parent.parent.get()) == (4, 3, 2)
    assert sent.parent.parent.children == [sent.parent]
    assert sent.parent.parent.get_leaf() == 4


def test_a_group_gives_its_results_in_order(app: TQ, add: Any) -> None:
    sent = group(add.s(number, number) for number in range(5)).delay()
    assert isinstance(sent, GroupResult)
    assert (sent.ready(), sent.waiting(), sent.completed_count()) == (False, True, 0)
    Stage(app).drain()
    assert sent.get(timeout=5) == [0, 2, 4, 6, 8]
    assert (sent.successful(), sent.failed(), sent.completed_count()) == (True, False, 5)
    assert dict(sent.iterate()) == {each.id: each.get() for each in sent}


def test_a_chord_hands_all_results_to_its_body(app: TQ, add: Any, total: Any) -> None:
    members = [add.s(number, number) for number in range(10)]
    assert result_of(app, chord(members, total.s())) == 90
    assert result_of(app, group(members) | total.s() | add.s(1)) == 91
    sent = chord(members)(total.s())
    Stage(app).drain()
    assert sent.get(timeout=5) == 90
    assert sent.parent.get() == [2 * number for number in range(10)]
    assert chord([], total.s()).apply_async() is not None
    assert result_of(app, chord([], total.s())) == 0


def test_nested_workflows(app: TQ, add: Any, total: Any) -> None:
    twice = group(add.s(1), add.s(2))
    assert result_of(app, add.s(1, 1) | twice | total.s()) == 7
    assert result_of(app, chain(twice, group(total.s(), total.s()), total.s()), 1) == 10
    inner = chord([add.s(1, 1), add.s(2, 2)], total.s())
    assert result_of(app, chord([inner, add.s(10, 10), inner], total.s())) == 32
    nest = app.task(name="nest")(lambda value: value)
    ends_wide = chain(add.s(1, 1), group(add.s(1), add.s(2)))
    assert result_of(app, chord([ends_wide, add.s(0, 0)], nest.s())) == [[3, 4], 0]
    assert result_of(app, group(group(add.s(1, 1)), add.s(2, 2))) == [2, 4]


def test_callbacks_may_be_workflows(app: TQ, add: Any, total: Any) -> None:
    seen: list[Any] = []
    note = app.task(name="note")(lambda value: seen.append(value))
    task = add.s(1, 1)
    task.link(chord([add.s(1), add.s(2)], total.s() | note.s()))
    result_of(app, task)
    assert seen == [7]


def test_a_member_that_fails_fails_the_body_and_what_comes_after_it(
    app: TQ, add: Any, total: Any, boom: Any
) -> None:
    told: list[Any] = []
    alarm = app.task(name="alarm")(lambda task_id: told.append(task_id))
    canvas = chord([add.s(1, 1), boom.s(), add.s(2, 2)], total.s().on_error(alarm.s())) | add.s(1)
    sent = canvas.delay()
    Stage(app).drain()
    failed = sent.parent.parent[1]
    with pytest.raises(ChordError, match=rf"Dependency {failed.id} raised ValueError\('boom'\)"):
        sent.get(timeout=5)
    assert sent.parent.state == "FAILURE"
    assert told == [sent.parent.id]


def test_what_comes_after_a_failure_in_a_chain_fails_too(app: TQ, add: Any, total: Any, boom: Any) -> None:
    sent = chain(boom.s(), add.s(1), group(add.s(1), add.s(2)), total.s()).delay()
    Stage(app).drain()
    assert all(each.state == "FAILURE" for each in every_result(sent))
    with pytest.raises(ValueError, match="boom"):
        sent.get(timeout=5)


def test_a_revoked_member_fails_the_body(app: TQ, add: Any, total: Any) -> None:
    members = [add.s(1, 1), add.s(2, 2).set(task_id="stop")]
    app.revoke(["stop"])
    sent = chord(members)(total.s())
    Stage(app).drain()
    with pytest.raises(ChordError, match=r"Dependency stop raised TaskRevokedError\('revoked'\)"):
        sent.get(timeout=5)


def test_an_expired_an_unknown_and_an_ignored_member_fail_the_body(app: TQ, add: Any, total: Any) -> None:
    from tq import Ignore

    def ignore() -> None:
        raise Ignore

    app.task(name="ignore")(ignore)
    for member in (
        add.s(1, 1).set(expires=-5),
        signature("nobody.knows", app=app),
        signature("ignore", app=app),
    ):
        sent = chord([add.s(1, 1), member])(total.s())
        Stage(app).drain()
        with pytest.raises(ChordError, match=sent.parent[1].id):
            sent.get(timeout=5)


def test_both_forms_of_error_callbacks(app: TQ, boom: Any) -> None:
    told: list[Any] = []
    app.task(name="by_id")(lambda task_id: told.append(task_id))
    app.task(name="called")(lambda request, exc, traceback: told.append((request.id, str(exc))))
    task = boom.s().set(task_id="7")
    task.link_error(signature("by_id", app=app))
    task.link_error(signature("called", app=app))
    task.delay()
    Stage(app).drain()
    assert told == [("7", "boom"), "7"]


def test_map_starmap_and_chunks(app: TQ, add: Any, total: Any) -> None:
    double = app.task(name="double")(lambda x: 2 * x)
    assert result_of(app, double.map([1, 2, 3])) == [2, 4, 6]
    assert result_of(app, add.starmap([(1, 1), (2, 2)])) == [2, 4]
    assert result_of(app, add.chunks([(n, n) for n in range(5)], 2)) == [[0, 2], [4, 6], [8]]
    assert result_of(app, add.starmap([(1, 1), (2, 2)]) | total.s()) == 6


def test_a_task_is_replaced_by_workflows(app: TQ, add: Any, total: Any) -> None:
    @app.task(bind=True, name="swap")
    def swap(self: Any, number: int) -> Any:
        forms = {
            1: add.s(number, 1),
            2: chain(add.s(number, 1), add.s(1)),
            3: group(add.s(number, 1), add.s(number, 2)),
            4: chord([add.s(number, 1), add.s(number, 2)], total.s()),
        }
        return self.replace(forms[number])

    keep = app.task(name="keep")(lambda values: values)
    expected = {1: 2, 2: 4, 3: [4, 5], 4: 11}
    for number, value in expected.items():
        assert result_of(app, swap.s(number)) == value
        assert result_of(app, chord([swap.s(number), add.s(0, 0)], keep.s())) == [value, 0]
    assert result_of(app, add.s(1, 1) | swap.s() | add.s(10)) == 14
    assert swap.s(4).apply().get() == 11


def test_a_member_adds_members_to_its_chord(app: TQ, add: Any, total: Any) -> None:
    @app.task(bind=True, name="more")
    def more(self: Any) -> int:
        self.add_to_chord(add.s(10, 10))
        self.add_to_chord(add.s(20, 20))
        return 1

    sent = chord([more.s(), add.s(1, 1)])(total.s())
    Stage(app, crashes=0.3).drain()
    assert sent.get(timeout=5) == 63


def test_a_group_is_saved_and_restored(app: TQ, add: Any) -> None:
    sent = group(add.s(1, 1), chain(add.s(1, 1), group(add.s(1), add.s(2)))).delay()
    sent.save()
    again = GroupResult.restore(sent.id, app)
    assert again == sent
    Stage(app).drain()
    assert again is not None
    assert again.get(timeout=5) == [2, [3, 4]]
    again.forget()
    assert not again.ready()
    sent.delete()
    assert GroupResult.restore(sent.id, app) is None


def test_freezing_settles_the_ids(app: TQ, add: Any, total: Any) -> None:
    canvas = chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s())
    frozen = canvas.freeze()
    sent = canvas.delay()
    Stage(app).drain()
    assert [each.id for each in every_result(frozen)] == [each.id for each in every_result(sent)]
    assert frozen.get(timeout=5) == 7
    one = add.s(1, 1)
    assert isinstance(one.freeze(), AsyncResult)
    assert one.freeze().id == one.delay().id


def test_canvases_run_eagerly(app: TQ, add: Any, total: Any, boom: Any) -> None:
    canvas = chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s(), add.s(1))
    assert canvas.apply().get() == 8
    assert chord([add.s(1, 1), boom.s()], total.s()).apply().state == "FAILURE"
    assert group(add.s(1, 1), add.s(2, 2)).apply().get() == [2, 4]


def test_a_thousand_steps_and_members(app: TQ, add: Any, total: Any) -> None:
    assert result_of(app, chain([add.s(0, 0)] + [add.s(1)] * 999)) == 999
    assert result_of(app, chord([add.s(1, 0)] * 10_000, total.s())) == 10_000
    assert result_of(app, chain([add.s(0, 0)] + [group(add.s(1), add.s(1)), total.s()] * 8)) == 510
    wide = chain([group(add.s(1, 1), add.s(2, 2))] + [group(total.s(), total.s())] * 150)
    sent = wide.delay()
    Stage(app).drain()
    assert sent.get(timeout=5)[0] == 6 * 2**149


async def _value(canvas: Any) -> Any:
    return await canvas


def test_results_can_be_awaited(app: TQ, add: Any, total: Any) -> None:
    import asyncio

    sent = group(add.s(1, 1), add.s(2, 2)).delay()
    Stage(app).drain()
    assert asyncio.run(_value(sent)) == [2, 4]


def test_a_body_that_cannot_be_sent_fails_in_place_of_waiting(app: TQ, add: Any) -> None:
    body = app.signature("nobody", priority=3)
    body["options"]["priority"] = "wrong"
    sent = chord([add.s(1, 1), add.s(2, 2)], body).delay()
    Stage(app).drain()
    with pytest.raises(ChordError, match="Callback error"):
        sent.get(timeout=5)


def test_a_result_that_cannot_be_stored_fails_its_chord(app: TQ, add: Any, total: Any) -> None:
    app.task(name="odd")(lambda: object())
    sent = chord([add.s(1, 1), signature("odd", app=app)])(total.s())
    Stage(app).drain()
    with pytest.raises(ChordError, match=f"Dependency {sent.parent[1].id} raised EncodeError"):
        sent.get(timeout=5)


def test_a_retried_member_counts_when_it_ends(app: TQ, add: Any, total: Any) -> None:
    @app.task(bind=True, name="flaky")
    def flaky(self: Any) -> int:
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return 5

    assert result_of(app, chord([flaky.s(), add.s(1, 1)], total.s())) == 7


def test_ignored_results_of_members_reach_the_body(app: TQ, total: Any) -> None:
    quiet = app.task(name="quiet", ignore_result=True)(lambda number: number)
    assert result_of(app, chord([quiet.s(1), quiet.s(2)], total.s())) == 3


def test_members_carry_what_is_left_to_do_and_nothing_of_each_other(app: TQ, add: Any, total: Any) -> None:
    from core.tests.app.sent import sent as messages

    chord([add.s(1, 1)] * 50, total.s()).delay()
    few = max(len(each.message.body) for each in messages(app))  # type: ignore[union-attr]
    chord([add.s(1, 1)] * 500, total.s()).delay()
    many = max(len(each.message.body) for each in messages(app))  # type: ignore[union-attr]
    assert many < few + 20


def test_skew_and_options_of_a_group_reach_its_members(app: TQ, add: Any) -> None:
    tasks = group(add.s(1, 1), add.s(2, 2), add.s(3, 3)).skew(start=1, stop=2, step=0.5).tasks
    assert [task.options["countdown"] for task in tasks] == [1, 1.5, 2]


def test_signatures_survive_json_and_pickle(app: TQ, add: Any, total: Any) -> None:
    import json
    import pickle

    canvas = chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s())
    for copy in (json.loads(json.dumps(canvas)), pickle.loads(pickle.dumps(canvas))):
        assert result_of(app, signature(copy, app=app)) == 7


def test_a_body_that_the_broker_refuses_fails_in_place_of_waiting(
    app: TQ, add: Any, total: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tq.brokers.memory import MemoryConsumer
    from tq.errors import PublishError

    turn, settle = MemoryConsumer.turn, MemoryConsumer.settle

    def refuses(settlements: Any) -> None:
        if any(each.message.headers["task"] == "total" for one in settlements for each in one.publish):
            raise PublishError("too large")

    def strict_turn(self: Any, done: Any, limit: int, wait: float) -> Any:
        refuses(done)
        return turn(self, done, limit, wait)

    def strict_settle(self: Any, done: Any) -> Any:
        refuses(done)
        return settle(self, done)

    monkeypatch.setattr(MemoryConsumer, "turn", strict_turn)
    monkeypatch.setattr(MemoryConsumer, "settle", strict_settle)
    sent = chord([add.s(1, 1), add.s(2, 2)])(total.s())
    Stage(app).drain()
    with pytest.raises(ChordError, match="too large"):
        sent.get(timeout=5)


def test_a_member_whose_result_the_store_cannot_count_ends_its_chord(
    app: TQ, add: Any, total: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tq.errors import BackendError
    from tq.results.memory import MemoryBackend

    count = MemoryBackend.count

    def strict_count(self: Any, parts: Any) -> Any:
        if any(part.status == "SUCCESS" and part.result == 4 for part in parts):
            raise BackendError("too large")
        return count(self, parts)

    monkeypatch.setattr(MemoryBackend, "count", strict_count)
    sent = chord([add.s(1, 1), add.s(2, 2)])(total.s())
    Stage(app).drain()
    with pytest.raises(ChordError, match="too large"):
        sent.get(timeout=5)
