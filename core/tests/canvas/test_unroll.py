"""What follows a task: callbacks, chains, groups, as single calls."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq import Signature
from tq.canvas import unroll
from tq.canvas.flow import flow_of
from tq.canvas.launch import Step, launch
from tq.errors import InvalidTask
from tq.wire.call import TaskCall

NAMES = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6)


def sig(name: str, *args: Any, **options: Any) -> Signature:
    return Signature(name, args, None, options)


def fixed(name: str, *args: Any) -> Signature:
    return Signature(name, args, immutable=True)


def chain(*tasks: Any, **options: Any) -> Signature:
    return Signature("celery.chain", (), {"tasks": tasks}, options, subtask_type="chain")


def group(*tasks: Any, **options: Any) -> Signature:
    return Signature("celery.group", (), {"tasks": tasks}, options, subtask_type="group")


def steps_of(signature: Any, args: tuple[Any, ...], options: Any = None) -> list[Step]:
    """What it sends at once, with ids that count up."""
    numbers = itertools.count()
    return launch(flow_of(signature), lambda: f"id{next(numbers)}", args, None, options).steps


def after_success(call: TaskCall, value: Any) -> list[Step]:
    return unroll.after_success(call, value, lambda: "new").steps


def run(steps: list[Step]) -> list[tuple[str, tuple[Any, ...]]]:
    """Run steps to the end as workers would, each task returning its own name; the calls in order."""
    calls: list[tuple[str, tuple[Any, ...]]] = []
    todo = list(steps)
    while todo:
        step = todo.pop(0)
        calls.append((step.task, tuple(step.args)))
        options = step.options
        call = TaskCall(
            step.task, step.task, step.args, callbacks=options.get("link"), chain=options.get("chain")
        )
        todo = after_success(call, step.task) + todo
    return calls


@given(names=NAMES)
def test_a_chain_runs_in_order_and_hands_each_result_on(names: list[str]) -> None:
    steps = steps_of(chain(*(sig(name, index) for index, name in enumerate(names))), ("in",))
    assert len(steps) == 1
    results = ["in", *names]
    assert run(steps) == [(name, (results[i], i)) for i, name in enumerate(names)]


@given(names=NAMES, cut=st.integers(0, 6))
def test_a_chain_inside_a_chain_is_one_chain(names: list[str], cut: int) -> None:
    flat = [sig(name) for name in names]
    cut = min(cut, len(flat) - 1)
    nested = [*flat[:cut], chain(*flat[cut:])]
    assert run(steps_of(chain(*nested), ())) == run(steps_of(chain(*flat), ()))
    first = [chain(*flat[: cut + 1]), *flat[cut + 1 :]]
    assert run(steps_of(chain(*first), ())) == run(steps_of(chain(*flat), ()))


@given(names=NAMES)
def test_immutable_signatures_take_no_result(names: list[str]) -> None:
    steps = steps_of(chain(*(fixed(name, "own") for name in names)), ("in",))
    assert run(steps) == [(name, ("own",)) for name in names]


@given(names=NAMES)
def test_each_callback_gets_the_result_and_the_place_in_the_tree(names: list[str]) -> None:
    call = TaskCall("7", "first", callbacks=[sig(name) for name in names], root_id="1")
    assert after_success(call, "r") == [
        Step(name, ("r",), {}, {"root_id": "1", "parent_id": "7", "task_id": "new"}) for name in names
    ]


def test_a_group_as_callback_sends_each_member_with_the_result() -> None:
    call = TaskCall("7", "first", callbacks=[group(sig("a", 1), fixed("b", 2), chain(sig("c"), sig("d")))])
    assert run(after_success(call, "r")) == [("a", ("r", 1)), ("b", (2,)), ("c", ("r",)), ("d", ("c",))]


def test_the_last_of_a_chain_may_be_a_group() -> None:
    steps = steps_of(chain(sig("a"), group(sig("b"), sig("c"))), ())
    assert run(steps) == [("a", ()), ("b", ("a",)), ("c", ("a",))]


def test_a_task_after_a_group_is_the_body_of_a_chord() -> None:
    call = TaskCall("7", "first", chain=[sig("end"), sig("last"), group(sig("a"), sig("b"))])
    found = unroll.after_success(call, 1, lambda: "new")
    assert [(group.group_id, group.size, group.structure) for group in found.groups] == [("new", 2, None)]
    assert [(step.task, step.args) for step in found.steps] == [("a", (1,)), ("b", (1,))]
    for index, step in enumerate(found.steps):
        assert (step.options["group_id"], step.options["group_index"]) == ("new", index)
        assert step.options["chord"]["task"] == "last"
        assert [rest["task"] for rest in step.options["chord"]["options"]["chain"]] == ["end"]


def test_a_group_keeps_no_link_or_id_that_each_member_would_share() -> None:
    steps = steps_of(group(sig("a"), sig("b"), task_id="group", queue="q"), ())
    assert [step.options for step in steps] == [
        {"queue": "q", "task_id": f"id{at}", "group_id": "group", "group_index": at} for at in (0, 1)
    ]
    with pytest.raises(InvalidTask, match="give it to its tasks"):
        steps_of(group(sig("a"), link=sig("b")), ())


def test_what_is_said_of_a_chain_holds_for_its_last_task_or_all() -> None:
    done, failed = sig("done"), sig("failed")
    (first,) = steps_of(
        chain(sig("a"), sig("b", link=sig("own")), task_id="end", link=done, link_error=failed), ()
    )
    assert first.options["link_error"] == [failed]
    assert "link" not in first.options
    assert first.options["task_id"] != "end"
    (last,) = first.options["chain"]
    assert last["options"]["task_id"] == "end"
    assert [callback["task"] for callback in last["options"]["link"]] == ["own", "done"]
    assert last["options"]["link_error"] == [failed]


def test_unrolling_changes_no_signature() -> None:
    inner = sig("b")
    whole = chain(sig("a"), inner, link=sig("done"))
    steps_of(whole, (), {"link_error": [sig("e")]})
    assert inner == sig("b")
    assert whole == chain(sig("a"), sig("b"), link=sig("done"))


def test_a_chain_of_one_is_its_task() -> None:
    assert steps_of(chain(sig("a", 1)), (0,)) == steps_of(sig("a", 1), (0,))


def test_error_callbacks_get_the_id_of_what_failed() -> None:
    found = unroll.errors_of(TaskCall("7", "first"), [sig("e", 1), fixed("f", 2)], lambda: "new")
    assert [(step.task, step.args) for step in found.steps] == [("e", ("7", 1)), ("f", (2,))]


def test_nothing_follows_a_call_that_names_nothing() -> None:
    assert after_success(TaskCall("1", "t"), 1) == []


@pytest.mark.parametrize(
    "wrong", ["text", 5, None, {}, {"task": 5}, {"task": "c", "subtask_type": "chord"}, chain()]
)
def test_what_is_no_signature_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidTask):
        steps_of(wrong, ())
