"""The normal form of every canvas: a row of steps, each one call, or members that run side by side.

A chord is members and what follows them; a group in the middle of a chain is the same. What is said of a
composite signature as a whole (options, arguments) is moved to the calls that it is about. Nothing that comes
in is changed: the calls of a flow are copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from tq.canvas.kinds import (
    Sig,
    body_of,
    chain_signature,
    chord_signature,
    group_signature,
    header_of,
    kind_of,
    many,
    options_of,
    pieces_of,
    tasks_of,
)
from tq.canvas.stamps import NAMES, apart, with_names, with_stamps
from tq.errors import InvalidTask

Call: TypeAlias = dict[str, Any]
"""A signature of one task, with options of its own."""


class Side(msgspec.Struct):
    """Members that run side by side; `id` is the group's."""

    members: list[Flow] = []
    id: str | None = None


Flow: TypeAlias = list[Call | Side]

_CALLBACKS = ("link", "link_error")
_PLACE = ("chord", "group_id", "group_index")
"""The options that make a call a member of a group."""
_DELAYS = ("countdown", "eta")


def flow_of(signature: Sig) -> Flow:
    """The steps of a signature, and of the rest of a chain that it carries. Raises `InvalidTask`."""
    form = _FORMS[kind_of(signature)]
    options = options_of(signature)
    rest = options.pop("chain", ())
    flow = form(signature, options)
    return flow + in_a_row(tuple(reversed(rest))) if rest else flow


def in_a_row(signatures: Sequence[Sig]) -> Flow:
    """Steps one after the other. As in Celery a group of one is its member there, and an empty one is left out."""
    flow: Flow = []
    empty: Flow = []
    for signature in signatures:
        steps = flow_of(signature)
        if kind_of(signature) == "group" and isinstance(steps[0], Side) and len(steps[0].members) < 2:
            if not steps[0].members:
                empty = steps
                continue
            steps = steps[0].members[0] + steps[1:]
        flow += steps
    return flow or empty


def _call(signature: Sig, options: dict[str, Any]) -> Flow:
    return [{**signature, "options": options}]


def _chain(signature: Sig, options: dict[str, Any]) -> Flow:
    flow = in_a_row(tasks_of(signature))
    if not flow:
        raise InvalidTask(f"an empty chain: {signature!r:.200}")
    _to_ends(flow, flow, options)
    _add_to_first(flow, options)
    return _with_arguments(flow, signature)


def _group(signature: Sig, options: dict[str, Any]) -> Flow:
    if options.pop("link", None):
        raise InvalidTask(f"a group cannot have a link; give it to its tasks: {signature!r:.200}")
    side = Side(_members(tasks_of(signature)), options.pop("task_id", None))
    errbacks = many(options.pop("link_error", None))
    place = {name: options.pop(name) for name in _PLACE if name in options}
    for member in side.members:
        for call in calls_of(member):
            add_options(call, {"link_error": errbacks})
        _add_to_first(member, options)
        if "chord" in place and not any("chord" in call["options"] for call in last_calls(member)):
            enroll(member, place["group_id"], place["chord"], len(side.members))
    return _with_arguments([side], signature)


def _members(signatures: Sequence[Sig]) -> list[Flow]:
    """Members of groups inside the group are its own, as in Celery; empty chains are none."""
    found: list[Flow] = []
    for signature in signatures:
        kind = kind_of(signature)
        if kind == "chain" and not tasks_of(signature):
            continue
        steps = flow_of(signature)
        if kind == "group" and len(steps) == 1 and isinstance(steps[0], Side):
            found += steps[0].members
        else:
            found.append(steps)
    return found


def _chord(signature: Sig, options: dict[str, Any]) -> Flow:
    body = body_of(signature)
    header = flow_of(header_of(signature))
    more = (signature.get("kwargs") or {}).get("kwargs") or {}
    prepend(header, (), more)
    if body is None:
        _add_to_first(header, options)
        return _with_arguments(header, signature)
    steps = flow_of(body)
    _to_ends(steps, steps, options)
    _add_to_first(header, options)
    _add_to_first(steps, {name: value for name, value in options.items() if name not in _DELAYS})
    return _with_arguments(header + steps, signature)


def _chunks(signature: Sig, options: dict[str, Any]) -> Flow:
    return _group(pieces_of(signature), options)


_FORMS: dict[str, Callable[[Sig, dict[str, Any]], Flow]] = {
    "task": _call,
    "chain": _chain,
    "group": _group,
    "chord": _chord,
    "chunks": _chunks,
}


# -- moving options and arguments to the calls that they are about -----------------------------------------------


def _to_ends(flow: Flow, all_of: Flow, options: dict[str, Any]) -> None:
    """Take out of `options` what is about the last step, or about each."""
    errbacks, links = many(options.pop("link_error", None)), many(options.pop("link", None))
    for call in own_calls(all_of):
        add_options(call, {"link_error": errbacks})
    last = flow[-1]
    task_id = options.pop("task_id", None)
    if isinstance(last, Side):
        last.id = last.id or task_id
        if links:
            raise InvalidTask("a group at the end of a chain cannot have a link; give it to its tasks")
    else:
        add_options(last, {"link": links})
        if task_id and not last["options"].get("task_id"):
            # An id that is settled stays: Celery's chords are frozen with the id of their group.
            last["options"]["task_id"] = task_id
    place = {name: options.pop(name) for name in _PLACE if name in options}
    if isinstance(last, dict) and place:
        add_options(last, place)
    elif "chord" in place:
        enroll(flow, place["group_id"], place["chord"], place.get("group_index") or 0)


def _add_to_first(flow: Flow, options: Mapping[str, Any]) -> None:
    if not options:
        return
    first = flow[0]
    if isinstance(first, Side):
        for member in first.members:
            _add_to_first(member, options)
    else:
        add_options(first, options)


def add_options(call: Call, options: Mapping[str, Any]) -> None:
    """Lists of callbacks grow, stamps of both stand, all else is replaced."""
    own = call["options"]
    if NAMES in options:
        rest, stamps = apart(options)
        call["options"] = own = with_stamps({NAMES: [], **own}, with_names(stamps))
        options = rest
    for name, value in options.items():
        if name not in _CALLBACKS:
            own[name] = value
        elif value:
            own[name] = [*many(own.get(name)), *many(value)]


def _with_arguments(flow: Flow, signature: Sig) -> Flow:
    if signature.get("args"):
        prepend(flow, signature["args"], {})
    return flow


def prepend(flow: Flow, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Give the first step more arguments, unless it is immutable; new positional ones come first."""
    if not args and not kwargs:
        return
    first = flow[0]
    if isinstance(first, Side):
        for member in first.members:
            prepend(member, args, kwargs)
    elif not first.get("immutable"):
        first["args"] = (*args, *(first.get("args") or ()))
        first["kwargs"] = {**(first.get("kwargs") or {}), **kwargs}


# -- looking at flows ------------------------------------------------------------------------------------------


def calls_of(flow: Flow) -> Iterator[Call]:
    """All calls, in order."""
    for step in flow:
        if isinstance(step, Side):
            for member in step.members:
                yield from calls_of(member)
        else:
            yield step


def own_calls(flow: Flow) -> Iterator[Call]:
    """All calls but those whose failure is told by what follows their group."""
    for place, step in enumerate(flow):
        if not isinstance(step, Side):
            yield step
        elif place == len(flow) - 1:
            for member in step.members:
                yield from own_calls(member)


def last_calls(flow: Flow) -> Iterator[Call]:
    """The calls whose end is the end of the flow."""
    last = flow[-1]
    if isinstance(last, Side):
        for member in last.members:
            yield from last_calls(member)
    else:
        yield last


def enroll(flow: Flow, group_id: str, body: Sig | None, index: int) -> int:
    """Make the end of this flow a member of a group, or several from `index` on; the next free index."""
    for call in last_calls(flow):
        place = {"group_id": group_id, "group_index": index}
        call["options"].update(place if body is None else {**place, "chord": body})
        index += 1
    return index


def name_all(flow: Flow, new_id: Callable[[], str]) -> None:
    """Give an id to every call and group that has none."""
    for step in flow:
        if isinstance(step, Side):
            step.id = step.id or new_id()
            for member in step.members:
                name_all(member, new_id)
        elif not step["options"].get("task_id"):
            step["options"]["task_id"] = new_id()


# -- back to signatures ----------------------------------------------------------------------------------------


def wire(flow: Flow) -> list[Sig]:
    """The steps as signatures that Celery runs in a chain: members that something follows become a chord."""
    found: list[Sig] = []
    place = 0
    while place < len(flow):
        step, rest = flow[place], flow[place + 1 :]
        place += 1
        if not isinstance(step, Side):
            found.append(step)
            continue
        group = group_signature([chain_signature(wire(member)) for member in step.members])
        group["options"]["task_id"] = step.id
        if not rest:
            found.append(group)
        elif isinstance(rest[0], Side):
            # One chain for all that follows: chords inside of bodies would nest deeper with each of them.
            found.append(chord_signature(group, chain_signature(wire(rest))))
            break
        else:
            found.append(chord_signature(group, rest[0]))
            place += 1
    return found


def as_one(flow: Flow) -> Sig:
    """The flow as one signature, which carries the rest of its chain."""
    first, *rest = wire(flow)
    if not rest:
        return first
    return {**first, "options": {**first["options"], "chain": rest[::-1]}}
