"""Everything the worker needs to know about one task, decided once, when the worker starts.

The hot path branches on these attributes and looks no setting up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tq.policy.ratelimit import TokenBucket
from tq.wire.call import TaskCall

Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """One task, ready to run. Limits are seconds; a handler that the task does not override is None."""

    name: str
    body: Callable[..., Any]
    task: Any
    """What hooks and `current_task` see; opaque to the worker."""
    is_coroutine: bool = False
    ignore_result: bool = False
    store_errors: bool = True
    """Keep failures even where results are ignored."""
    track_started: bool = False
    acks_late: bool = True
    acks_on_failure: bool = True
    reject_on_worker_lost: bool = True
    """Run again what a dead process ran; otherwise it fails (`task_reject_on_worker_lost`)."""
    bucket: TokenBucket | None = None
    """Keeps the rate limit; used by the engine's thread alone."""
    soft_time_limit: float | None = None
    time_limit: float | None = None
    max_retries: int | None = 3
    throws: tuple[type[BaseException], ...] = ()
    autoretry: Callable[[BaseException], BaseException] | None = None
    """Given what the body raised: the `Retry` to use instead, or the exception itself."""
    adapt_args: Callable[[Any, Any], tuple[Any, Any]] | None = None
    adapt_result: Callable[[Any], Any] | None = None
    extended: bool = False
    """Store name, arguments, worker, retries and queue with the result (`result_extended`)."""
    before_start: Handler | None = None
    on_success: Handler | None = None
    on_failure: Handler | None = None
    on_retry: Handler | None = None
    after_return: Handler | None = None

    is_plain: bool = field(init=False, default=True)
    """Nothing surrounds the body: no handler, no model, no waiting for what it returns."""

    def __post_init__(self) -> None:
        around = (
            self.adapt_args,
            self.adapt_result,
            self.before_start,
            self.on_success,
            self.after_return,
            self.is_coroutine or None,
        )
        object.__setattr__(self, "is_plain", all(each is None for each in around))

    @property
    def takes_einfo(self) -> bool:
        """Whether a handler wants to know about an exception."""
        return (self.on_failure or self.on_retry or self.after_return) is not None

    def ignores(self, call: TaskCall) -> bool:
        """Whether nobody wants the result of this call; what the call says counts before the task's own word."""
        return self.ignore_result if call.ignore_result is None else call.ignore_result
