"""A workflow as a whole: seen, cancelled, and run anew where it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tq import states
from tq.app import notes
from tq.app.tree import GroupNode, Reader, Row, TaskNode, counts, tasks_of
from tq.canvas.flow import Flow, Side, last_calls
from tq.canvas.launch import start_of
from tq.canvas.record import call
from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import ImproperlyConfigured, TaskError
from tq.records import Envelope, GroupPart
from tq.worker.follow import note_key

if TYPE_CHECKING:
    from tq.app.app import TQ

_AT_ONCE = 500


class Workflow:
    """All that came of one call, as it is when it is asked: nothing of it is remembered here.

    Raises `ImproperlyConfigured` without a result backend.
    """

    def __init__(self, app: TQ, id: str) -> None:
        self._app = app
        self.id = id

    # -- seeing it -----------------------------------------------------------------------------------------

    def tree(self) -> Row:
        """Its steps, one after the other, with states and times."""
        return Reader(self._backend()).read(self.id)

    def tasks(self) -> list[TaskNode]:
        """All its tasks, in the order of the tree."""
        return list(tasks_of(self.tree()))

    def counts(self) -> dict[str, int]:
        """How many of its tasks are in which state."""
        return counts(self.tree())

    # -- steering it ---------------------------------------------------------------------------------------

    def cancel(self, *, terminate: bool = False, signal: str = "SIGTERM") -> list[str]:
        """Revoke all that has not ended, what was not sent yet as well; the ids. What runs ends with `terminate`
        only, where its pool can. Raises `ImproperlyConfigured` for a broker that keeps no revocations."""
        ids = [task.id for task in self.tasks() if task.state not in states.READY_STATES]
        for at in range(0, len(ids), _AT_ONCE):
            self._app.revoke(ids[at : at + _AT_ONCE], terminate=terminate, signal=signal)
        return ids

    def retry(self) -> list[str]:
        """Run the tasks that failed anew, under their ids; the workflow goes on from there. Returns the ids.

        Chords are counted anew, with the results that their members have. Raises `TaskError` where such a chord has
        members that have not ended, or were revoked, and where nothing is kept of what failed.
        """
        backend = self._backend()
        row = self.tree()
        tasks = list(tasks_of(row))
        failed = {task.id: task for task in tasks if task.state == states.FAILURE}
        messages = self._messages(backend, tasks)
        if failed and not messages:
            raise TaskError(
                f"nothing is kept of the tasks of workflow {self.id} that failed: their notes have expired, "
                "result_workflows is off, or no tq worker ran them"
            )
        chords = [side for side in _chords(row) if _failed_for_its_members(side, failed, messages)]
        for members, _ in chords:
            _check(members)
        for members, _ in chords:
            _count_again(backend, members)
        # What waited for them has failed with them; it has no end now.
        backend.forget(list(failed))
        again = list(messages.values())
        for at in range(0, len(again), _AT_ONCE):
            self._app.publisher.publish(again[at : at + _AT_ONCE])
        for task_id in messages:
            backend.forget_group(note_key("failed", task_id))
        return list(messages)

    def forget(self) -> None:
        """Remove states and results of all its tasks, and its tree."""
        backend = self._backend()
        ids = [task.id for task in self.tasks()]
        backend.forget(ids)
        if BackendCap.GROUPS in backend.capabilities:
            backend.forget_group(note_key("workflow", self.id))

    def _messages(self, backend: ResultBackend, tasks: list[TaskNode]) -> dict[str, Envelope]:
        """Those that were kept. Of a task without a state as well: a retry may have been cut off in the middle."""
        found: dict[str, Envelope] = {}
        if BackendCap.GROUPS not in backend.capabilities:
            return found
        for task in tasks:
            if task.state in (states.FAILURE, states.PENDING):
                kept = backend.load_group(note_key("failed", task.id))
                if kept is not None:
                    found[task.id] = notes.anew(kept)
        return found

    # -- for async code ------------------------------------------------------------------------------------

    async def atree(self) -> Row:
        """`tree` for async code."""
        return await asyncio.to_thread(self.tree)

    async def acounts(self) -> dict[str, int]:
        """`counts` for async code."""
        return await asyncio.to_thread(self.counts)

    async def acancel(self, *, terminate: bool = False, signal: str = "SIGTERM") -> list[str]:
        """`cancel` for async code."""
        return await asyncio.to_thread(lambda: self.cancel(terminate=terminate, signal=signal))

    async def aretry(self) -> list[str]:
        """`retry` for async code."""
        return await asyncio.to_thread(self.retry)

    # ------------------------------------------------------------------------------------------------------

    def _backend(self) -> ResultBackend:
        backend = self._app.backend
        if backend is None:
            raise ImproperlyConfigured("no result backend is configured, so nothing is kept of workflows")
        return backend

    def __repr__(self) -> str:
        return f"<Workflow: {self.id}>"


def _chords(row: Row) -> Iterator[tuple[GroupNode, TaskNode | GroupNode]]:
    """Members that are counted, and what follows them; the inner ones first."""
    for place, step in enumerate(row):
        for inner in step.members if isinstance(step, GroupNode) else step.inside:
            yield from _chords(inner)
        if isinstance(step, GroupNode) and place < len(row) - 1:
            yield step, row[place + 1]


def _failed_for_its_members(
    side: tuple[GroupNode, TaskNode | GroupNode], failed: dict[str, TaskNode], messages: dict[str, Any]
) -> bool:
    """Whether what follows never ran, for a member had failed."""
    _, following = side
    first = next(tasks_of([following]), None)
    return first is not None and first.id in failed and first.id not in messages


def _ends(members: GroupNode) -> list[TaskNode]:
    """The tasks whose ends are counted, in the order of their indexes."""
    by_id = {task.id: task for task in tasks_of([members])}
    return [by_id[each["options"]["task_id"]] for flow in _side(members).members for each in last_calls(flow)]


def _side(members: GroupNode) -> Side:
    return Side([_flow(row) for row in members.members], members.id)


def _flow(row: Row) -> Flow:
    return [_side(step) if isinstance(step, GroupNode) else call(step.id, step.name) for step in row]


def _check(members: GroupNode) -> None:
    for task in _ends(members):
        if task.state not in states.READY_STATES:
            raise TaskError(
                f"member {task.id} of chord {members.id} is {task.state}: the chord can be run anew when all its "
                "members have ended and have results (ignore_result keeps none)"
            )
        if task.state == states.REVOKED:
            raise TaskError(
                f"member {task.id} of chord {members.id} was revoked, so the chord cannot complete"
            )


def _count_again(backend: ResultBackend, members: GroupNode) -> None:
    backend.start_group(start_of(_side(members)), fresh=True)
    parts = [
        GroupPart(members.id, index, task.id, states.SUCCESS, task.meta.result)
        for index, task in enumerate(_ends(members))
        if task.meta is not None and task.state == states.SUCCESS
    ]
    if parts:
        backend.count(parts)
