"""Workflows as a whole: their trees, cancelling them, and running anew what failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.tests.canvas.stage import Stage
from tq import TQ, chain, chord, group
from tq.app.task import Task
from tq.app.tree import GroupNode, Row, TaskNode, counts
from tq.errors import ImproperlyConfigured, TaskError


@pytest.fixture
def add(app: TQ) -> Task[..., Any]:
    return app.task(name="add")(lambda x, y: x + y)


@pytest.fixture
def total(app: TQ) -> Task[..., Any]:
    return app.task(name="total")(lambda numbers: sum(numbers))


@pytest.fixture
def broken() -> set[str]:
    """The labels of those that fail."""
    return {"bad"}


@pytest.fixture
def fragile(app: TQ, broken: set[str]) -> Task[..., Any]:
    def fragile(value: int, label: str) -> int:
        if label in broken:
            raise ValueError(label)
        return value

    return app.task(name="fragile")(fragile)


def shape(row: Row) -> Any:
    """Names and states, nested as the tree is."""
    found: list[Any] = []
    for step in row:
        if isinstance(step, GroupNode):
            found.append([shape(member) for member in step.members])
        else:
            own = f"{step.title} {step.state}"
            found.append({own: [shape(inner) for inner in step.inside]} if step.inside else own)
    return found


def test_the_tree_is_there_before_anything_ran(app: TQ, add: Any, total: Any) -> None:
    sent = chain(add.s(1, 1), group(add.s(1), chain(add.s(2), add.s(3))), total.s()).delay()
    waiting = ["add PENDING", [["add PENDING"], ["add PENDING", "add PENDING"]], "total PENDING"]
    assert shape(app.workflow(sent.id).tree()) == waiting
    Stage(app).drain()
    workflow = app.workflow(sent.id)
    assert shape(workflow.tree()) == [
        "add SUCCESS",
        [["add SUCCESS"], ["add SUCCESS", "add SUCCESS"]],
        "total SUCCESS",
    ]
    assert workflow.counts() == {"SUCCESS": 5}
    assert all(task.ended for task in workflow.tasks())


def test_a_group_is_a_workflow(app: TQ, add: Any) -> None:
    sent = group(add.s(n, n) for n in range(3)).delay()
    (members,) = app.workflow(sent.id).tree()
    assert isinstance(members, GroupNode)
    assert [task.id for (task,) in members.members if isinstance(task, TaskNode)] == [r.id for r in sent]


def test_the_tree_shows_what_tasks_sent(app: TQ, add: Any, total: Any) -> None:
    def parent(number: int) -> None:
        chord([add.s(number, 1), add.s(number, 2)], total.s()).delay()
        add.delay(0, 0)

    parent_task: Any = app.task(name="parent")(parent)
    sent = parent_task.s(1).apply_async()
    Stage(app).drain()
    inner = [[["add SUCCESS"], ["add SUCCESS"]], "total SUCCESS"]
    tree = app.workflow(sent.id).tree()
    # The name of a single task is known where results are extended.
    assert shape(tree) == [{"? SUCCESS": [inner, ["? SUCCESS"]]}]
    assert counts(tree) == {"SUCCESS": 5}


def test_the_tree_shows_what_took_a_tasks_place(app: TQ, add: Any) -> None:
    def swap(self: Any) -> Any:
        return self.replace(add.s(1, 1) | add.s(2) | add.s(3))

    swapped: Any = app.task(name="swap", bind=True)(swap)
    sent = chain(swapped.s(), add.s(10)).delay()
    Stage(app).drain()
    assert sent.get(timeout=5) == 17
    assert shape(app.workflow(sent.id).tree()) == [
        {"swap SUCCESS": [["add SUCCESS", "add SUCCESS"]]},
        "add SUCCESS",
    ]


def test_a_task_leads_to_its_tree_where_results_do(app: TQ, add: Any) -> None:
    sent = chain(add.s(1, 1), add.s(2), add.s(3)).delay()
    Stage(app).drain()
    first = sent.parent.parent
    app.backend.forget_group(f"tq-workflow-{sent.id}")  # type: ignore[union-attr]
    found = app.workflow(sent.id).tasks()
    assert [task.id for task in found] == [first.id, sent.parent.id, sent.id]


def test_an_id_that_nobody_knows_is_one_pending_task(app: TQ) -> None:
    assert shape(app.workflow("nobody").tree()) == ["? PENDING"]


def test_trees_need_not_be_kept(app: TQ, add: Any) -> None:
    app.conf.result_workflows = False
    sent = chain(add.s(1, 1), add.s(2)).delay()
    assert len(app.workflow(sent.id).tasks()) == 1


def test_cancel_revokes_all_that_has_not_ended(app: TQ, add: Any, total: Any) -> None:
    sent = chain(group(add.s(1, 1), add.s(2, 2)), total.s(), add.s(1)).delay()
    stage = Stage(app)
    assert len(app.workflow(sent.id).cancel()) == 4
    stage.drain()
    assert app.workflow(sent.id).counts() == {"REVOKED": 2, "FAILURE": 2}
    assert app.workflow(sent.id).cancel() == []
    assert add.name not in stage.ran


def test_a_chain_goes_on_from_the_task_that_failed(app: TQ, add: Any, fragile: Any, broken: set[str]) -> None:
    sent = chain(add.s(1, 1), fragile.s("bad"), add.s(5), add.s(6)).delay()
    Stage(app).drain()
    workflow = app.workflow(sent.id)
    assert shape(workflow.tree()) == ["add SUCCESS", "fragile FAILURE", "add FAILURE", "add FAILURE"]
    culprit = workflow.tasks()[1]
    assert culprit.error == "ValueError('bad')"
    broken.clear()
    assert workflow.retry() == [culprit.id]
    assert workflow.counts() == {"SUCCESS": 1, "PENDING": 3}
    Stage(app).drain()
    assert app.AsyncResult(sent.id).get(timeout=5) == 13
    assert workflow.retry() == []


def test_what_fails_again_can_be_run_again(app: TQ, add: Any, fragile: Any, broken: set[str]) -> None:
    sent = chain(fragile.s(1, "bad"), add.s(5)).delay()
    Stage(app).drain()
    for _ in range(2):
        assert len(app.workflow(sent.id).retry()) == 1
        Stage(app).drain()
    assert app.workflow(sent.id).counts() == {"FAILURE": 2}
    broken.clear()
    app.workflow(sent.id).retry()
    Stage(app).drain()
    assert app.AsyncResult(sent.id).get(timeout=5) == 6


def test_a_chord_completes_when_its_failed_members_ran_anew(
    app: TQ, add: Any, total: Any, fragile: Any, broken: set[str]
) -> None:
    members = [add.s(1, 1), fragile.s(10, "bad"), chain(fragile.s(20, "bad"), add.s(1)), add.s(2, 2)]
    stage = Stage(app)
    sent = chain(chord(members, total.s()), add.s(100)).delay()
    stage.drain()
    before = list(stage.ran)
    broken.clear()
    assert len(app.workflow(sent.id).retry()) == 2
    stage = Stage(app)
    stage.drain()
    assert app.AsyncResult(sent.id).get(timeout=5) == 2 + 10 + 21 + 4 + 100
    # Nothing that had succeeded ran again.
    assert len(stage.ran) == 5
    assert len(set(stage.ran) & set(before)) == 2


def test_chords_in_chords_complete(app: TQ, add: Any, total: Any, fragile: Any, broken: set[str]) -> None:
    inner = chord([add.s(1, 1), fragile.s(10, "bad")], total.s())
    wide = chain(add.s(1, 0), group(add.s(1), add.s(2)))
    sent = chord([inner, wide, add.s(2, 2)], total_of_all(app).s()).delay()
    Stage(app).drain()
    assert app.AsyncResult(sent.id).failed()
    broken.clear()
    assert len(app.workflow(sent.id).retry()) == 1
    Stage(app).drain()
    assert app.AsyncResult(sent.id).get(timeout=5) == 12 + (2 + 3) + 4


def total_of_all(app: TQ) -> Task[..., Any]:
    def total_of(values: Any) -> int:
        return sum(map(total_of, values)) if isinstance(values, list) else values

    return app.task(name="total_of")(total_of)


def test_callbacks_follow_a_run_anew(app: TQ, add: Any, fragile: Any, broken: set[str]) -> None:
    heard: list[str] = []
    hear = app.task(name="hear")(lambda value: heard.append(f"good {value}"))
    told = app.task(name="told")(lambda task_id: heard.append("bad"))
    one = fragile.s(1, "bad")
    one.link(hear.s())
    one.link_error(told.s())
    sent = group(one, add.s(1, 1)).delay()
    Stage(app).drain()
    assert heard == ["bad"]
    broken.clear()
    app.workflow(sent.id).retry()
    Stage(app).drain()
    assert heard == ["bad", "good 1"]


def test_all_retries_are_there_again(app: TQ, broken: set[str]) -> None:
    tries: list[int] = []

    def stubborn(self: Any) -> None:
        tries.append(self.request.retries)
        if broken:
            raise self.retry(exc=ValueError("no"), countdown=0, max_retries=1)

    task: Any = app.task(name="stubborn", bind=True)(stubborn)
    sent = group(task.s(), task.s()).delay()
    Stage(app).drain()
    assert sorted(tries) == [0, 0, 1, 1]
    app.workflow(sent.id).retry()
    Stage(app).drain()
    assert sorted(tries) == [0, 0, 0, 0, 1, 1, 1, 1]
    broken.clear()
    app.workflow(sent.id).retry()
    Stage(app).drain()
    assert app.workflow(sent.id).counts() == {"SUCCESS": 2}


def test_a_chord_with_a_revoked_member_is_refused(app: TQ, add: Any, total: Any, fragile: Any) -> None:
    sent = chord([fragile.s(1, "bad"), add.s(1, 1)], total.s()).delay()
    sent.parent[1].revoke()
    Stage(app).drain()
    with pytest.raises(TaskError, match="was revoked"):
        app.workflow(sent.id).retry()


def test_a_chord_whose_members_go_on_is_refused(app: TQ, add: Any, total: Any, fragile: Any) -> None:
    sent = chord([fragile.s(1, "bad"), add.s(1, 1).set(countdown=1000)], total.s()).delay()
    Stage(app).drain()
    with pytest.raises(TaskError, match="PENDING"):
        app.workflow(sent.id).retry()


def test_without_notes_the_error_says_why(app: TQ, add: Any, fragile: Any) -> None:
    app.conf.result_workflows = False
    sent = chain(fragile.s(1, "bad"), add.s(1)).delay()
    Stage(app).drain()
    with pytest.raises(TaskError, match="result_workflows"):
        app.workflow(sent.id).retry()


def test_a_workflow_can_be_awaited(app: TQ, add: Any, fragile: Any, broken: set[str]) -> None:
    async def steer(workflow_id: str) -> Any:
        workflow = app.workflow(workflow_id)
        return await workflow.acounts(), len(await workflow.aretry()), len(await workflow.acancel())

    sent = chain(fragile.s(1, "bad"), add.s(1)).delay()
    Stage(app).drain()
    assert asyncio.run(steer(sent.id)) == ({"FAILURE": 2}, 1, 2)
    assert len(asyncio.run(app.workflow(sent.id).atree())) == 2


def test_a_workflow_needs_a_store_of_results() -> None:
    app = TQ("none", broker="memory://none", backend="disabled://", set_as_current=False)
    with pytest.raises(ImproperlyConfigured, match="no result backend"):
        app.workflow("x").tree()


def test_many_members_are_read_together(app: TQ, add: Any, total: Any) -> None:
    sent = chord([add.s(n, 0) for n in range(3000)], total.s()).delay()
    assert app.workflow(sent.id).counts() == {"PENDING": 3001}
