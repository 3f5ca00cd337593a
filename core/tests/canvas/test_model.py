"""Random workflows against a model that evaluates them as expressions, with workers that die after counting."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.tests.canvas.stage import Stage, every_result
from tq import TQ, chain, chord, group
from tq.canvas.compound import signature_from
from tq.canvas.signature import Signature
from tq.wire.json import JsonSerializer


class Failed(Exception):
    """The model's error: something before it failed."""


@dataclass(frozen=True)
class Task:
    name: str
    fixed: bool
    fails: bool


@dataclass(frozen=True)
class Chain:
    steps: tuple[Any, ...]


@dataclass(frozen=True)
class Group:
    members: tuple[Any, ...]


@dataclass(frozen=True)
class Chord:
    members: tuple[Any, ...]
    body: Any


def trees(odds_of_failure: bool) -> st.SearchStrategy[Any]:
    fails = st.sampled_from([False] * 12 + [True]) if odds_of_failure else st.just(False)
    tasks = st.builds(Task, st.sampled_from("abc"), st.sampled_from([False, False, True]), fails)
    return st.recursive(
        tasks,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=4).map(lambda steps: Chain(tuple(steps))),
            st.lists(inner, min_size=1, max_size=3).map(lambda members: Group(tuple(members))),
            st.builds(Chord, st.lists(inner, max_size=3).map(tuple), inner),
        ),
        max_leaves=14,
    )


# -- the model -----------------------------------------------------------------------------------------------


def value(tree: Any, args: tuple[Any, ...]) -> Any:
    """What it evaluates to; raises `Failed`."""
    if isinstance(tree, Task):
        if tree.fails:
            raise Failed
        return [tree.name, *(() if tree.fixed else args)]
    if isinstance(tree, Chain):
        for step in tree.steps:
            args = (value(_alone(step), args),)
        return args[0]
    if isinstance(tree, Group):
        return [value(member, args) for member in _flat(tree.members)]
    return value(tree.body, ([value(member, args) for member in _flat(tree.members)],))


def _alone(step: Any) -> Any:
    """A group of one is its member in a chain."""
    if isinstance(step, Group) and len(members := _flat(step.members)) == 1:
        return members[0]
    return step


def _flat(members: tuple[Any, ...]) -> list[Any]:
    """A group in a group is one group."""
    return [
        each
        for member in members
        for each in (_flat(member.members) if isinstance(member, Group) else [member])
    ]


# -- the canvas ----------------------------------------------------------------------------------------------


def canvas_of(app: TQ, tree: Any) -> Signature:
    if isinstance(tree, Task):
        name = "fail" if tree.fails else tree.name
        return app.signature(name, immutable=tree.fixed)
    if isinstance(tree, Chain):
        return chain([canvas_of(app, step) for step in tree.steps], app=app)
    if isinstance(tree, Group):
        return group([canvas_of(app, member) for member in tree.members], app=app)
    return chord([canvas_of(app, member) for member in tree.members], canvas_of(app, tree.body), app=app)


def make_app() -> TQ:
    url = f"memory://{uuid.uuid4().hex}"
    app = TQ("shop", broker=url, backend=url, worker_pool="solo", set_as_current=False)

    def fail(*args: Any) -> None:
        raise ValueError("on purpose")

    app.task(name="fail")(fail)
    for name in "abc":
        app.task(name=name)(lambda *args, name=name: [name, *args])
    return app


DEEP = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@DEEP
@given(
    tree=trees(True),
    crashes=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 100),
    as_json=st.booleans(),
)
def test_a_workflow_ends_as_its_model_says(tree: Any, crashes: float, seed: int, as_json: bool) -> None:
    with make_app() as app:
        canvas = canvas_of(app, tree)
        if as_json:
            json = JsonSerializer()
            canvas = signature_from(json.loads(json.dumps(canvas)), app)
        sent = canvas.apply_async(("in",))
        Stage(app, crashes=crashes, dice=random.Random(seed)).drain(5000)
        results = every_result(sent)
        assert all(result.ready() for result in results), "something never ends"
        try:
            expected = value(tree, ("in",))
        except Failed:
            assert any(result.state == "FAILURE" for result in results)
            return
        assert sent.get(timeout=1) == expected


@DEEP
@given(tree=trees(False))
def test_eager_runs_agree_with_the_model(tree: Any) -> None:
    with make_app() as app:
        assert canvas_of(app, tree).apply(("in",)).get() == value(tree, ("in",))
