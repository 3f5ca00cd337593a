"""The events of a task's way through a worker: observers in the shape of the hooks, in Celery's fields."""

from __future__ import annotations

from functools import partial
from time import time

from tq.errors import Retry
from tq.events.dispatcher import Dispatcher
from tq.events.event import shortened
from tq.events.steps import Failed, Received, Rejected, Retried, Revoked, Started, Succeeded
from tq.records import Delivery
from tq.request import Request
from tq.wire.saferepr import saferepr


class TaskEvents:
    """Each method is called in the place of the hook of its name. `dispatcher` is that of this process."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._add = dispatcher.add
        who = self._who = (dispatcher.hostname, dispatcher.offset, dispatcher.pid)
        # Made for each task that runs: what is the same for all is put in beforehand.
        self._received = partial(Received, *who)
        self._started = partial(Started, *who)
        self._succeeded = partial(Succeeded, *who)

    def task_received(self, request: Request) -> None:
        """task-received."""
        call = request.call
        self._add(
            self._received(
                self._dispatcher.next_number(),
                time(),
                call.id,
                call.task,
                shortened(call.argsrepr) if call.argsrepr else saferepr(call.args),
                shortened(call.kwargsrepr) if call.kwargsrepr else saferepr(call.kwargs),
                call.retries,
                call.root_id,
                call.parent_id,
                call.eta,
                call.expires,
            )
        )

    def task_prerun(self, request: Request) -> None:
        """task-started."""
        self._add(self._started(self._dispatcher.next_number(), time(), request.call.id))

    def task_success(self, request: Request, result: object, runtime: float) -> None:
        """task-succeeded."""
        shown = "None" if result is None else saferepr(result)
        self._add(self._succeeded(self._dispatcher.next_number(), time(), request.call.id, shown, runtime))

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
