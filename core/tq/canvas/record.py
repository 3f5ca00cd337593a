"""A workflow as it is kept beside its results: ids and names of its calls, and which run side by side.

{"v": 1, "names": [...], "flow": [[id, place in names], {"id": group id, "members": [flow, ...]}, ...]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tq.canvas.flow import Call, Flow, Side, calls_of
from tq.errors import InvalidTask

VERSION = 1


def write_record(flow: Flow) -> dict[str, Any]:
    """The record of a flow whose steps have ids."""
    names: dict[str, int] = {}
    for call in calls_of(flow):
        names.setdefault(call["task"], len(names))
    return {"v": VERSION, "names": list(names), "flow": _written(flow, names)}


def _written(flow: Flow, names: Mapping[str, int]) -> list[Any]:
    return [
        {"id": step.id, "members": [_written(member, names) for member in step.members]}
        if isinstance(step, Side)
        else [step["options"]["task_id"], names[step["task"]]]
        for step in flow
    ]


def read_record(record: Any) -> Flow:
    """The flow of a record, its calls without arguments. Raises `InvalidTask` for what is no record."""
    try:
        if record["v"] != VERSION:
            raise InvalidTask(f"a workflow was kept in form {record['v']!r}, which is not known here")
        return _read(record["flow"], record["names"])
    except (TypeError, KeyError, IndexError, ValueError, RecursionError) as exc:
        raise InvalidTask(f"what was kept of a workflow cannot be read: {exc!r}") from exc


def _read(steps: Any, names: Any) -> Flow:
    return [
        Side([_read(member, names) for member in step["members"]], step["id"])
        if isinstance(step, Mapping)
        else call(step[0], names[step[1]])
        for step in steps
    ]


def call(task_id: str, name: str = "") -> Call:
    """A call of which no more is known."""
    return {"task": name, "args": (), "kwargs": {}, "options": {"task_id": task_id}}


def flow_of_tuple(value: Any) -> Flow:
    """The flow of a result in Celery's form, which result documents have for what their tasks sent."""
    flow: Flow = []
    while value:
        head, members = value if isinstance(value, (list, tuple)) else ((value, None), None)
        task_id, value = head if isinstance(head, (list, tuple)) else (head, None)
        flow.append(call(task_id) if members is None else Side([flow_of_tuple(m) for m in members], task_id))
    return flow[::-1]
