"""Stamps on workflows: where they go, and what tasks and visitors see of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core.tests.canvas.stage import Stage
from tq import TQ, Ignore, Signature, StampingVisitor, chain, chord, group
from tq.app.task import Task
from tq.canvas.flow import calls_of, flow_of
from tq.canvas.kinds import many
from tq.errors import InvalidTask


@pytest.fixture
def seen(app: TQ) -> dict[str, Any]:
    """By label, the stamps that a task saw in its request."""
    return {}


@pytest.fixture
def look(app: TQ, seen: dict[str, Any]) -> Task[..., Any]:
    def look(self: Any, *args: Any, label: str = "", **kwargs: Any) -> str:
        request = self.request
        seen[label] = dict(request.stamps)
        assert sorted(request.stamped_headers or ()) == sorted(request.stamps)
        return label

    return app.task(name="look", bind=True)(look)


def run(app: TQ, canvas: Any) -> None:
    canvas.apply_async()
    Stage(app).drain()


class ByKind(StampingVisitor):
    """Stamps each kind with its own name, and notes the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_signature(self, sig: Signature, **headers: Any) -> Mapping[str, Any]:
        self.calls.append(f"signature {sig.kwargs.get('label')}")
        return {"own": sig.kwargs.get("label")}

    def on_group_start(self, group: group, **headers: Any) -> Mapping[str, Any]:
        self.calls.append("group start")
        return {"in_group": 1}

    def on_group_end(self, group: group, **headers: Any) -> None:
        self.calls.append("group end")

    def on_chain_start(self, chain: chain, **headers: Any) -> Mapping[str, Any]:
        self.calls.append("chain start")
        return {"in_chain": 1}

    def on_chain_end(self, chain: chain, **headers: Any) -> None:
        self.calls.append("chain end")

    def on_chord_header_end(self, sig: chord, **header: Any) -> None:
        self.calls.append("header end")

    def on_chord_body(self, sig: chord, **header: Any) -> Mapping[str, Any]:
        self.calls.append("body")
        return {"body": 1}

    def on_callback(self, callback: Signature, **header: Any) -> Mapping[str, Any]:
        return {"callback": 1}

    def on_errback(self, errback: Signature, **header: Any) -> Mapping[str, Any]:
        return {"errback": 1}


def test_a_stamped_call_carries_its_stamps_in_its_message(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    run(app, look.s(label="a").stamp(tenant="x", tags=["a", "b"]))
    assert seen == {"a": {"tenant": "x", "tags": ["a", "b"]}}


def test_what_is_not_stamped_has_no_stamps(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    run(app, look.s(label="a"))
    assert seen == {"a": {}}


def test_stamps_reach_all_of_a_workflow(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    members = group(look.si(label="b"), chain(look.si(label="c"), look.s(label="d")))
    flow = chain(look.s(label="a"), members, look.s(label="body"))
    flow.stamp(tenant="x")
    run(app, flow)
    assert seen == {label: {"tenant": "x"} for label in ("a", "b", "c", "d", "body")}


def test_each_piece_of_chunks_has_the_stamps(look: Any) -> None:
    pieces = list(calls_of(flow_of(look.chunks([(1,), (2,)], 1).stamp(tenant="x"))))
    assert [piece["options"]["tenant"] for piece in pieces] == ["x", "x"]


def test_stamps_reach_callbacks_and_error_callbacks(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    boom = app.task(name="boom")(lambda: 1 / 0)
    good = look.s(label="good")
    good.link(look.si(label="after"))
    bad = boom.s().on_error(look.si(label="told"))
    run(app, group(good, bad).stamp(tenant="x"))
    assert seen == {label: {"tenant": "x"} for label in ("good", "after", "told")}


def test_a_visitor_stamps_each_as_it_is(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    visitor = ByKind()
    flow = chain(look.s(label="a"), group(look.si(label="b"), look.si(label="c")), look.si(label="d"))
    run(app, flow.stamp(visitor))
    assert seen == {
        "a": {"in_chain": 1, "own": "a"},
        "b": {"in_chain": 1, "in_group": 1, "own": "b"},
        "c": {"in_chain": 1, "in_group": 1, "own": "c"},
        "d": {"in_chain": 1, "in_group": 1, "body": 1, "own": "d"},
    }
    assert visitor.calls == [
        *("chain start", "signature a", "group start", "signature b", "signature c", "header end", "body"),
        *("signature d", "chain end"),
    ]


def test_a_visitor_is_told_of_links(look: Any) -> None:
    one = look.s(label="a").on_error(look.s(label="c"))
    one.link(look.s(label="b"))
    one.stamp(ByKind())
    (callback,), (errback,) = many(one.options["link"]), many(one.options["link_error"])
    assert callback["options"] == {"stamped_headers": ["callback", "own"], "callback": 1, "own": "b"}
    assert errback["options"] == {"stamped_headers": ["errback", "own"], "errback": 1, "own": "c"}


def test_the_links_of_another_signature_are_not_stamped(look: Any) -> None:
    callback = look.s(label="b")
    one = look.s(label="a")
    one.link(callback)
    other = one.clone()
    other.stamp(tenant="x")
    assert (callback.options, one.options["link"][0].options) == ({}, {})


def test_one_signature_in_two_places_gets_the_stamps_of_each(look: Any) -> None:
    class Counting(StampingVisitor):
        number = 0

        def on_signature(self, sig: Signature, **headers: Any) -> Mapping[str, Any]:
            self.number += 1
            return {"number": self.number}

    one = look.s()
    both = group([one, one]).stamp(Counting())
    assert [task.options["number"] for task in both.tasks] == [1, 2]
    assert one.options == {}


def test_a_later_stamp_replaces_or_is_appended(look: Any) -> None:
    assert look.s().stamp(a=1).stamp(a=2).options == {"stamped_headers": ["a"], "a": 2}
    assert look.s().stamp(a=1).stamp(append_stamps=True, a=2).options["a"] == [2, 1]
    assert look.s().stamp(a=[1, 2]).stamp(append_stamps=True, a=[2, 3]).options["a"] == [2, 3, 1]


def test_what_is_not_named_as_a_stamp_is_an_option(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    class Urgent(StampingVisitor):
        def on_signature(self, sig: Signature, **headers: Any) -> Mapping[str, Any]:
            return {"mark": 1, "priority": 9, "stamped_headers": ["mark"]}

    stamped = look.s(label="a").stamp(Urgent())
    assert stamped.options == {"stamped_headers": ["mark"], "mark": 1, "priority": 9}
    run(app, stamped)
    assert seen == {"a": {"mark": 1}}


def test_stamps_stand_against_later_options(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    stamped = look.s(label="a").stamp(tenant="x")
    stamped.apply_async(stamped_headers=["tenant", "more"], tenant="y", more=1)
    chain(look.si(label="b").stamp(run=1), look.si(label="c")).apply_async(stamped_headers=["run"], run=7)
    Stage(app).drain()
    assert seen == {"a": {"tenant": "x", "more": 1}, "b": {"run": 1}, "c": {}}


def test_stamps_may_be_given_with_the_call(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    look.apply_async(kwargs={"label": "a"}, stamped_headers=["tenant"], tenant="x")
    app.send_task("look", kwargs={"label": "b"}, stamped_headers=["tenant"], tenant="y")  # type: ignore[call-arg]
    chain(look.si(label="c"), look.si(label="d")).apply_async(stamped_headers=["run"], run=7)
    Stage(app).drain()
    assert seen == {"a": {"tenant": "x"}, "b": {"tenant": "y"}, "c": {"run": 7}, "d": {}}


def test_an_option_that_is_no_stamp_is_still_refused(look: Any) -> None:
    with pytest.raises(TypeError, match="tenat"):
        look.apply_async(stamped_headers=["tenant"], tenat="x")
    with pytest.raises(TypeError, match="colour"):
        look.s().set(colour="red").apply_async()


def test_retries_keep_their_stamps(app: TQ, seen: dict[str, Any]) -> None:
    def again(self: Any) -> None:
        seen[str(self.request.retries)] = dict(self.request.stamps)
        if not self.request.retries:
            raise self.retry(countdown=0)

    run(app, app.task(name="again", bind=True)(again).s().stamp(tenant="x"))
    assert seen == {"0": {"tenant": "x"}, "1": {"tenant": "x"}}


def test_what_replaces_a_task_has_its_stamps(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    def swap(self: Any) -> Any:
        return self.replace(chain(look.si(label="a").stamp(tenant="own"), look.si(label="b")))

    run(app, app.task(name="swap", bind=True)(swap).s().stamp(tenant="x", run=1))
    assert seen == {"a": {"tenant": "own", "run": 1}, "b": {"tenant": "x", "run": 1}}


def test_a_task_may_stamp_what_replaces_it(app: TQ, look: Any, seen: dict[str, Any]) -> None:
    class Stamping(Task[..., Any]):
        name = "stamping"

        def run(self) -> Any:
            return self.replace(look.si(label="a"))

        def on_replace(self, sig: Signature) -> Any:
            sig.stamp(replaced=True)
            return super().on_replace(sig)

    task = app.register_task(Stamping)
    run(app, task.s())
    assert seen.pop("a") == {"replaced": True}
    task.apply()
    assert seen == {"a": {"replaced": True}}
    assert issubclass(Ignore, Exception)


def test_a_stamp_cannot_take_the_place_of_what_workflows_need(
    app: TQ, look: Any, seen: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTask, match="another name than 'chain'"):
        look.s().stamp(chain=1)
    run(app, look.s(label="a").stamp(priority=3))
    assert seen == {"a": {"priority": 3}}


def test_results_hold_the_stamps_where_they_are_extended(app: TQ, look: Any) -> None:
    app.conf.result_extended = True
    sent = look.s().stamp(tenant="x").apply_async()
    Stage(app).drain()
    assert sent.stamps == {"tenant": "x"}


def test_a_visitor_has_to_say_what_single_calls_get(look: Any) -> None:
    with pytest.raises(NotImplementedError, match="on_signature"):
        look.s().stamp(StampingVisitor())


def test_links_alone_can_be_stamped(look: Any) -> None:
    one = look.s()
    one.link(look.s())
    one.stamp_links(None, tenant="x")
    assert "tenant" not in one.options
    assert one.options["link"][0]["options"]["tenant"] == "x"
