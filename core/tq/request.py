"""What a task can know about its own run: `self.request`, with Celery's names.

Source: Celery 5.7 `celery.app.task.Context`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tq.wire.protocol import TaskCall

if TYPE_CHECKING:
    from tq.records import Delivery

_FROM_CALL = frozenset(TaskCall.__struct_fields__) - {"task", "headers"}
_LEFT = frozenset({"children", "follow_ups", "starts", "notes"})


class Request:
    """One run of one task. Names that are not known here are looked up in the message's headers.

    `attempt` is the broker's count of runs of this very message: more than 1 says that an earlier holder
    died while running it. `retries` counts `Task.retry` and automatic retries.
    """

    __slots__ = (
        "call",
        "called_directly",
        "children",
        "delivery",
        "follow_ups",
        "hostname",
        "is_eager",
        "leaves_something",
        "notes",
        "starts",
        "task",
        "tq_way",
    )

    def __init__(
        self,
        call: TaskCall,
        delivery: Delivery | None = None,
        hostname: str = "",
        *,
        is_eager: bool = False,
        called_directly: bool = False,
    ) -> None:
        self.call: TaskCall = call
        self.task: str = call.task
        self.delivery: Delivery | None = delivery
        self.hostname: str = hostname
        self.is_eager: bool = is_eager
        self.called_directly: bool = called_directly
        self.leaves_something: bool = False
        """Whether one of the lists was asked for: they are made then, for hardly a run needs any."""
        self.tq_way: Any = None
        """What its events are made of, where they are sent. No header has this name."""

    if TYPE_CHECKING:
        children: list[Any]
        follow_ups: list[Any]
        starts: list[Any]
        notes: list[Any]

    def __getattr__(self, name: str) -> Any:
        if name in _FROM_CALL:
            return getattr(self.call, name)
        if name in _LEFT:
            self.leaves_something = True
            made: list[Any] = []
            setattr(self, name, made)
            return made
        try:
            return self.call.headers[name]
        except KeyError:
            raise AttributeError(f"the request of task {self.task!r} has no {name!r}") from None

    @property
    def id(self) -> str:
        """The task id."""
        return self.call.id

    @property
    def args(self) -> Sequence[Any]:
        """Positional arguments."""
        return self.call.args

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Keyword arguments."""
        return self.call.kwargs

    @property
    def retries(self) -> int:
        """How often this task has been retried."""
        return self.call.retries

    @property
    def attempt(self) -> int:
        """1 for the first run of this message, more after a holder died; 0 where the broker cannot count."""
        return self.delivery.attempt if self.delivery else 1

    @property
    def headers(self) -> Mapping[str, Any]:
        """All headers of the message."""
        return self.call.headers

    @property
    def properties(self) -> Mapping[str, Any]:
        """The message's AMQP properties."""
        message = self.delivery.message if self.delivery else None
        return getattr(message, "properties", {})

    @property
    def queue(self) -> str:
        """The queue that the message came from; empty when there was none."""
        return self.delivery.queue if self.delivery else ""

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Celery's dictionary: exchange, routing_key, priority, redelivered."""
        info = self.properties.get("delivery_info") or {}
        return {
            "exchange": info.get("exchange", ""),
            "routing_key": info.get("routing_key", self.queue),
            "priority": self.properties.get("priority"),
            "redelivered": self.attempt > 1,
            "is_eager": self.is_eager,
        }

    @property
    def timelimit(self) -> tuple[float | None, float | None]:
        """Hard and soft time limit of the message, in this order, in seconds."""
        return self.call.time_limit, self.call.soft_time_limit

    def get(self, name: str, default: Any = None) -> Any:
        """Like `getattr` with a default."""
        return getattr(self, name, default)

    def __repr__(self) -> str:
        return f"<Request {self.task} {self.id}>"


current_request: ContextVar[Request | None] = ContextVar("tq_request", default=None)
"""The request of the task that runs in this context."""
