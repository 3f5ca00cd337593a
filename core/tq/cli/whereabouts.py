"""Where a task is: what the result store, the broker and the workers say of one id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from tq import states
from tq.app.app import TQ
from tq.cli.queues import stats_of
from tq.client.dead import DeadLetters, Filter
from tq.contracts.broker import Cap
from tq.errors import TQError
from tq.records import QueueStats, TaskMeta

_HELD = {
    "active": "it runs on worker {node}",
    "reserved": "worker {node} holds it, and has not begun it",
    "scheduled": "worker {node} holds it until its time comes",
}


class Explained(msgspec.Struct, frozen=True):
    """What is known of a task. `state` is None where no result store could be asked; `found` says whether anybody
    knows the task; `sentences` are for people."""

    task_id: str
    state: str | None
    found: bool
    sentences: Sequence[str]


class Search:
    """Asks all that may know a task; who cannot be asked is named, and the others are asked all the same."""

    def __init__(self, app: TQ, task_id: str, queues: Sequence[str], timeout: float) -> None:
        self._app = app
        self._id = task_id
        self._queues = queues
        self._timeout = timeout
        self._state: str | None = None
        self._found = False

    def explain(self) -> Explained:
        """Ask them all."""
        checks = (
            ("the result store", self._result),
            ("the revocations", self._revocation),
            ("the dead letters", self._letters),
            ("the workers", self._workers),
            ("the queues", self._waiting),
        )
        sentences = [sentence for what, check in checks for sentence in _sentences(what, check)]
        return Explained(self._id, self._state, self._found, sentences)

    def _result(self) -> Iterator[str]:
        backend = self._app.backend
        if backend is None:
            yield "no result backend is set, so its state is not kept"
            return
        meta = backend.get([self._id]).get(self._id)
        self._state = meta.status if meta is not None else states.PENDING
        if meta is None:
            yield "the result store does not know it: it has not begun, its result has expired, or there is no such task"
            return
        self._found = True
        yield f"its state is {meta.status}{_details(meta)}"

    def _revocation(self) -> Iterator[str]:
        if Cap.REVOKE not in self._app.broker.capabilities:
            return
        _, revocations = self._app.broker.revoked()
        if any(revocation.task_id == self._id for revocation in revocations):
            self._found = True
            yield "it was revoked: workers drop it when they meet it"

    def _letters(self) -> Iterator[str]:
        if Cap.DEAD_LETTERS not in self._app.broker.capabilities:
            return
        for dead in DeadLetters(self._app.broker, self._queues).list(Filter(ids=[self._id])):
            self._found = True
            yield f"it lies in the dead letters of queue {dead.queue!r}: {dead.reason}"
            yield f"`tq dead requeue {dead.id} -Q {dead.queue}` puts it back"

    def _workers(self) -> Iterator[str]:
        if not self._timeout or Cap.BROADCAST not in self._app.broker.capabilities:
            yield "workers were not asked"
            return
        replies = self._app.control.inspect(timeout=self._timeout).query_task(self._id)
        if not replies:
            yield f"no worker answered within {self._timeout:g} s"
            return
        held = [sentence for node, reply in sorted(replies.items()) for sentence in self._holder(node, reply)]
        yield from held or [f"none of {len(replies)} workers that answered holds it"]

    def _holder(self, node: str, reply: Any) -> Iterator[str]:
        entry = reply.get(self._id) if isinstance(reply, dict) else None
        if isinstance(entry, list | tuple) and entry:
            self._found = True
            yield _HELD.get(str(entry[0]), f"worker {{node}} has it as {entry[0]}").format(node=node)

    def _waiting(self) -> Iterator[str]:
        if self._state in states.READY_STATES:
            return
        for queue in stats_of(self._app, self._queues):
            yield _of_queue(queue)


def _sentences(what: str, check: Callable[[], Iterator[str]]) -> list[str]:
    said: list[str] = []
    try:
        said.extend(check())
    except TQError as exc:
        said.append(f"{what} could not be asked: {exc}")
    return said


def _details(meta: TaskMeta) -> str:
    details = [
        f"since {meta.date_done}" if meta.date_done else "",
        f"on {meta.worker}" if meta.worker else "",
    ]
    return "".join(f", {detail}" for detail in details if detail)


def _of_queue(queue: QueueStats) -> str:
    parts = [f"{queue.ready} ready"]
    parts += [f"{queue.delayed} delayed"] if queue.delayed else []
    parts += [f"{queue.in_flight} with workers"] if queue.in_flight else []
    text = f"queue {queue.name!r} holds {', '.join(parts)}"
    if queue.ready and queue.consumers == 0:
        return f"{text}, and no worker of tq reads it: start one with `tq worker -Q {queue.name}`"
    return text
