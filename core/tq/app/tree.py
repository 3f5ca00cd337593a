"""The tree of a workflow, put together from what the store of results keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tq import states
from tq.canvas.flow import Flow, Side, calls_of
from tq.canvas.record import call, flow_of_tuple, read_record
from tq.contracts.results import BackendCap, ResultBackend
from tq.records import TaskMeta
from tq.worker.follow import note_key

MOST = 100_000
"""Tasks of one tree; what lies below them is left out."""
_AT_ONCE = 1000
_REPLACED = 500
"""Tasks of a tree in which each is asked for what took its place."""


@dataclass(slots=True)
class TaskNode:
    """One task. `inside` are the flows that it sent while it ran, or that were put in its place."""

    id: str
    name: str = ""
    meta: TaskMeta | None = None
    inside: list[Row] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Its state; PENDING also where nothing is known of it."""
        return states.PENDING if self.meta is None else self.meta.status

    @property
    def title(self) -> str:
        """Its name, where it is known."""
        return self.name or (self.meta.name if self.meta is not None else None) or "?"

    @property
    def ended(self) -> str | None:
        """When it ended, ISO 8601."""
        return self.meta.date_done if self.meta is not None else None

    @property
    def error(self) -> str | None:
        """What it failed with."""
        found = self.meta.result if self.meta is not None and self.state in states.EXCEPTION_STATES else None
        if not isinstance(found, dict):
            return None
        message = found.get("exc_message")
        args = message if isinstance(message, (list, tuple)) else (message,)
        return f"{found.get('exc_type')}({', '.join(map(repr, args))})"


@dataclass(slots=True)
class GroupNode:
    """Tasks side by side: `members` are flows of their own."""

    id: str
    members: list[Row]


Row: TypeAlias = list[TaskNode | GroupNode]
"""Steps one after the other."""


def tasks_of(row: Row) -> Iterator[TaskNode]:
    """All tasks of a tree; each before what it sent."""
    waiting: list[TaskNode | GroupNode] = row[::-1]
    while waiting:
        step = waiting.pop()
        rows = step.members if isinstance(step, GroupNode) else step.inside
        if isinstance(step, TaskNode):
            yield step
        for inner in reversed(rows):
            waiting += reversed(inner)


def counts(row: Row) -> dict[str, int]:
    """How many tasks are in which state."""
    return dict(Counter(task.state for task in tasks_of(row)))


class Reader:
    """Reads one tree. Documents are read many at a time."""

    def __init__(self, backend: ResultBackend) -> None:
        self._backend = backend
        self._keeps = BackendCap.GROUPS in backend.capabilities
        self._known: dict[str, TaskNode] = {}

    def read(self, workflow_id: str) -> Row:
        """The tree with this result, or with this task in it, where what is kept leads there."""
        flow = self._kept("workflow", workflow_id) or self._from_above(workflow_id)
        row = self._row(flow)
        fresh = list(tasks_of(row))
        while fresh and len(self._known) < MOST:
            self._look(fresh)
            fresh = [found for task in fresh for found in self._below(task)]
        return row

    def _from_above(self, task_id: str) -> Flow:
        """Up to the task that came first, as far as results tell."""
        seen = {task_id}
        top = task_id
        while (meta := self._backend.get([top]).get(top)) is not None and meta.parent_id not in (None, *seen):
            top = str(meta.parent_id)
            seen.add(top)
        return [call(top)]

    def _look(self, tasks: Sequence[TaskNode]) -> None:
        for at in range(0, len(tasks), _AT_ONCE):
            part = tasks[at : at + _AT_ONCE]
            found = self._backend.get([task.id for task in part])
            for task in part:
                task.meta = found.get(task.id)

    def _below(self, task: TaskNode) -> list[TaskNode]:
        """What this task led to besides what is in the tree already."""
        flows: list[Flow] = []
        children = task.meta.children if task.meta is not None else None
        for child in children or ():
            flow = flow_of_tuple(child)
            if flow and not any(each["options"]["task_id"] in self._known for each in calls_of(flow)):
                flows.append(self._kept("workflow", _last_id(flow)) or flow)
        if len(self._known) <= _REPLACED and (replaced := self._kept("replaced", task.id)):
            # Its last step has the task's own id.
            flows.append(replaced[:-1])
        fresh: list[TaskNode] = []
        for flow in filter(None, flows):
            row = self._row(flow)
            task.inside.append(row)
            fresh += tasks_of(row)
        return fresh

    def _row(self, flow: Flow) -> Row:
        row: Row = []
        for step in flow:
            if isinstance(step, Side):
                row.append(GroupNode(step.id or "", [self._row(member) for member in step.members]))
                continue
            node = TaskNode(step["options"]["task_id"], step["task"])
            self._known.setdefault(node.id, node)
            row.append(node)
        return row

    def _kept(self, kind: str, of: str) -> Flow | None:
        record: Any = self._backend.load_group(note_key(kind, of)) if self._keeps else None
        return None if record is None else read_record(record)


def _last_id(flow: Flow) -> str:
    last = flow[-1]
    return str(last.id if isinstance(last, Side) else last["options"]["task_id"])
