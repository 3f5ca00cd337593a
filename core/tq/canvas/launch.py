"""What a flow sends first, what the stores have to know before, and the tree of results it will have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tq.canvas.flow import Flow, Side, as_one, enroll, last_calls, name_all, prepend, wire
from tq.records import GroupStart


class Step(msgspec.Struct, frozen=True):
    """One call to send, with the options of its signature (as `apply_async` takes them)."""

    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]


class Node(msgspec.Struct):
    """A result to come: of a task, or with `members` of a group. `parent` is what runs before it."""

    id: str
    parent: Node | None = None
    members: list[Node] | None = None

    def as_tuple(self, *, lineage: bool = True) -> list[Any]:
        """Celery's form of a result inside documents, with or without those before it."""
        before: list[Any] = []
        node: Node | None = self
        while node is not None:
            before.append(node)
            node = node.parent if lineage else None
        found: Any = None
        # From the oldest on: a chain of thousands must not recurse.
        for each in reversed(before):
            members = each.members
            inner = None if members is None else [m.as_tuple(lineage=lineage) for m in members]
            found = [[each.id, found], inner]
        result: list[Any] = found
        return result


class Launch(msgspec.Struct):
    """Groups are to be started before the steps are sent. `result` belongs to the last step of the flow."""

    steps: list[Step] = []
    groups: list[GroupStart] = []
    results: list[Node] = []

    def add(self, other: Launch) -> None:
        """Do both."""
        self.steps += other.steps
        self.groups += other.groups
        self.results += other.results


def launch(
    flow: Flow,
    new_id: Callable[[], str],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Launch:
    """Begin a flow: `args` and `kwargs` for its first step, `options` for each call that is sent now.

    Uses up the flow. Ids that nobody chose come from `new_id`, in an order that depends on the flow alone.
    """
    prepend(flow, args, kwargs or {})
    name_all(flow, new_id)
    found = Launch(results=[node_of(flow)])
    _launch(flow, options or {}, found)
    return found


def node_of(flow: Flow) -> Node:
    """The result of a flow whose steps have ids."""
    node: Node | None = None
    for step in flow:
        if isinstance(step, Side):
            node = Node(step.id or "", node, [node_of(member) for member in step.members])
        else:
            node = Node(step["options"]["task_id"], node)
    assert node is not None
    return node


def _launch(flow: Flow, options: Mapping[str, Any], found: Launch) -> None:
    first, rest = flow[0], flow[1:]
    if not isinstance(first, Side):
        own = {**options, **first["options"]}
        if rest:
            own["chain"] = wire(rest)[::-1]
        found.steps.append(Step(first["task"], first.get("args") or (), first.get("kwargs") or {}, own))
        return
    if rest and not first.members:
        prepend(rest, ([],), {})
        _launch(rest, options, found)
        return
    if rest:
        _count(first, as_one(rest), found)
    else:
        for index, member in enumerate(first.members):
            if not any("chord" in call["options"] for call in last_calls(member)):
                enroll(member, first.id or "", None, index)
    for member in first.members:
        _launch(member, options, found)


def _count(side: Side, body: Mapping[str, Any], found: Launch) -> None:
    index = 0
    for member in side.members:
        index = enroll(member, side.id or "", body, index)
    found.groups.append(start_of(side))


def start_of(side: Side) -> GroupStart:
    """What the store has to know of members that are counted; they have ids."""
    size = sum(1 for member in side.members for _ in last_calls(member))
    structure = None
    if any(isinstance(member[-1], Side) for member in side.members):
        node = Node(side.id or "", None, [node_of(member) for member in side.members])
        structure = node.as_tuple(lineage=False)
    return GroupStart(side.id or "", size, structure)
