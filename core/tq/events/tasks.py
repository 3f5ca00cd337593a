"""The events of a task's way through a worker: observers in the shape of the hooks, in Celery's fields."""

from __future__ import annotations

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
        self.dispatcher = dispatcher

    def task_received(self, request: Request) -> None:
        """task-received."""
        call, dispatcher = request.call, self.dispatcher
        dispatcher.put(
            Received(
                *dispatcher.stamp(),
                call.id,
                call.task,
                _shown(call.argsrepr, call.args),
                _shown(call.kwargsrepr, call.kwargs),
                call.retries,
                call.root_id,
                call.parent_id,
                call.eta,
                call.expires,
            )
        )

    def task_prerun(self, request: Request) -> None:
        """task-started."""
        dispatcher = self.dispatcher
        dispatcher.put(Started(*dispatcher.stamp(), request.call.id))

    def task_success(self, request: Request, result: object, runtime: float) -> None:
        """task-succeeded."""
        dispatcher = self.dispatcher
        dispatcher.put(Succeeded(*dispatcher.stamp(), request.call.id, saferepr(result), runtime))

    def task_failure(self, request: Request, exception: BaseException, traceback: str) -> None:
        """task-failed."""
        self._failed(request.id, saferepr(exception), traceback)

    def task_unknown(self, delivery: Delivery, name: str, task_id: str) -> None:
        """task-failed, as in Celery."""
        self._failed(task_id, f"NotRegistered({name!r})", "")

    def task_retry(self, request: Request, reason: Retry) -> None:
        """task-retried."""
        dispatcher = self.dispatcher
        dispatcher.put(Retried(*dispatcher.stamp(), request.id, saferepr(reason.exc or reason), ""))

    def task_revoked(self, task_id: str, name: str, reason: str) -> None:
        """task-revoked."""
        dispatcher = self.dispatcher
        terminated, expired = reason == "terminated", reason == "expired"
        dispatcher.put(Revoked(*dispatcher.stamp(), task_id, terminated, None, expired))

    def task_rejected(self, request: Request, reason: str, requeue: bool) -> None:
        """task-rejected."""
        dispatcher = self.dispatcher
        dispatcher.put(Rejected(*dispatcher.stamp(), request.id, requeue))

    def _failed(self, task_id: str, exception: str, traceback: str) -> None:
        dispatcher = self.dispatcher
        dispatcher.put(Failed(*dispatcher.stamp(), task_id, exception, shortened(traceback)))


def _shown(text: str | None, value: object) -> str:
    """Arguments as their sender wrote them, who may have hidden some, else as they are."""
    return shortened(text) if text else saferepr(value)
