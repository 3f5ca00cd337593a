"""The events of a task's way through a worker: observers in the shape of the hooks, in Celery's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tq.errors import Retry
from tq.events.dispatcher import Dispatcher
from tq.events.event import shortened
from tq.records import Delivery
from tq.request import Request
from tq.wire.saferepr import saferepr


class TaskEvents:
    """Each method is called in the place of the hook of its name. `dispatcher` is that of this process."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def task_received(self, request: Request) -> None:
        """task-received."""
        call = request.call
        self.dispatcher.send(
            "task-received",
            uuid=call.id,
            name=call.task,
            **reprs(call),
            root_id=call.root_id,
            parent_id=call.parent_id,
            retries=call.retries,
            eta=call.eta,
            expires=call.expires,
        )

    def task_prerun(self, request: Request) -> None:
        """task-started."""
        self.dispatcher.send("task-started", uuid=request.call.id)

    def task_success(self, request: Request, result: object, runtime: float) -> None:
        """task-succeeded."""
        self.dispatcher.send("task-succeeded", uuid=request.call.id, result=saferepr(result), runtime=runtime)

    def task_failure(self, request: Request, exception: BaseException, traceback: str) -> None:
        """task-failed."""
        self.dispatcher.send(
            "task-failed", uuid=request.id, exception=saferepr(exception), traceback=shortened(traceback)
        )

    def task_retry(self, request: Request, reason: Retry) -> None:
        """task-retried."""
        cause = reason.exc or reason
        self.dispatcher.send("task-retried", uuid=request.id, exception=saferepr(cause), traceback="")

    def task_revoked(self, task_id: str, name: str, reason: str) -> None:
        """task-revoked."""
        self.dispatcher.send(
            "task-revoked",
            uuid=task_id,
            terminated=reason == "terminated",
            signum=None,
            expired=reason == "expired",
        )

    def task_rejected(self, request: Request, reason: str, requeue: bool) -> None:
        """task-rejected."""
        self.dispatcher.send("task-rejected", uuid=request.id, requeue=requeue)

    def task_unknown(self, delivery: Delivery, name: str, task_id: str) -> None:
        """task-failed, as in Celery."""
        self.dispatcher.send("task-failed", uuid=task_id, exception=f"NotRegistered({name!r})", traceback="")


def reprs(call: Any) -> Mapping[str, str]:
    """Arguments as text: as the sender wrote them, who may have hidden some, else as they are."""
    return {
        "args": shortened(call.argsrepr) if call.argsrepr else saferepr(call.args),
        "kwargs": shortened(call.kwargsrepr) if call.kwargsrepr else saferepr(call.kwargs),
    }
