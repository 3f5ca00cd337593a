"""The events of a task's way through a worker: observers in the shape of the hooks, in Celery's fields."""

from __future__ import annotations

from time import monotonic, time

from tq.errors import Retry
from tq.events.dispatcher import Dispatcher
from tq.events.event import LONGEST_TEXT, shortened
from tq.events.steps import Failed, Rejected, Retried, Revoked, Way
from tq.records import Delivery
from tq.request import Request
from tq.wire.call import TaskCall
from tq.wire.saferepr import saferepr


class TaskEvents:
    """Each method is called in the place of the hook of its name. `dispatcher` is that of this process."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._who = (dispatcher.hostname, dispatcher.offset, dispatcher.pid)
        self.add = self._add = dispatcher.add
        """Have the news of a task sent."""
        self.pause = dispatcher.pause

    def received(self, call: TaskCall) -> Way:
        """task-received; task-started and task-succeeded come of what is written into the record."""
        args, kwargs = call.argsrepr or saferepr(call.args), call.kwargsrepr or saferepr(call.kwargs)
        way = Way(
            call.id,
            call.task,
            args if len(args) <= LONGEST_TEXT else shortened(args),
            kwargs if len(kwargs) <= LONGEST_TEXT else shortened(kwargs),
            call.retries,
            call.root_id,
            call.parent_id,
            call.eta,
            call.expires,
            self._dispatcher.next_number(),
            monotonic(),
        )
        self._add(way)
        return way

    def task_failure(self, request: Request, exception: BaseException, traceback: str) -> None:
        """task-failed."""
        self._failed(request.id, saferepr(exception), traceback)

    def task_unknown(self, delivery: Delivery, name: str, task_id: str) -> None:
        """task-failed, as in Celery."""
        self._failed(task_id, f"NotRegistered({name!r})", "")

    def task_retry(self, request: Request, reason: Retry) -> None:
        """task-retried."""
        self._add(Retried(*self._stamp(), request.id, saferepr(reason.exc or reason), ""))

    def task_revoked(self, task_id: str, name: str, reason: str) -> None:
        """task-revoked."""
        terminated, expired = reason == "terminated", reason == "expired"
        self._add(Revoked(*self._stamp(), task_id, terminated, None, expired))

    def task_rejected(self, request: Request, reason: str, requeue: bool) -> None:
        """task-rejected."""
        self._add(Rejected(*self._stamp(), request.id, requeue))

    def _failed(self, task_id: str, exception: str, traceback: str) -> None:
        self._add(Failed(*self._stamp(), task_id, exception, shortened(traceback)))

    def _stamp(self) -> tuple[str, float, int, int, float]:
        """Who, where and when."""
        return *self._who, self._dispatcher.next_number(), time()
