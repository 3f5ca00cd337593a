"""Settings of tasks: defaults that a task, or one call of it, may replace."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from tq.config.queues import read_queues
from tq.config.routes import check_routes
from tq.config.setting import Setting
from tq.config.types import Name, Priority, Seconds
from tq.records import Queue

GROUP = "Tasks"
_RATE = re.compile(r"\d+(\.\d+)?(/[smh])?")


def _rate(value: str | float | None) -> str | float | None:
    if value is not None and not _RATE.fullmatch(str(value)):
        raise ValueError("a number of tasks a second, or a text such as '10/s', '100/m' or '1000/h'")
    return value


def _none_for_zero(seconds: float | None) -> float | None:
    return seconds or None


SETTINGS = (
    Setting(
        name="task_default_queue",
        type=Name,
        default="celery",
        doc="Queue of tasks that nothing else routes; Celery's name, so that both share it.",
        group=GROUP,
    ),
    Setting(
        name="task_default_exchange",
        type=Name | None,
        default=None,
        doc="Exchange of declared queues that name none, and of `task_default_queue`; none: each has one of its own name, "
        "or, with another type than direct, all have that of `task_default_queue`.",
        group=GROUP,
    ),
    Setting(
        name="task_default_exchange_type",
        type=Literal["direct", "topic", "fanout"],
        default="direct",
        doc="Type of that exchange.",
        group=GROUP,
    ),
    Setting(
        name="task_default_routing_key",
        type=Name | None,
        default=None,
        doc="Routing key of declared queues that name none (a mapping names them: each its own name), and of "
        "`task_default_queue`; none: the queue's name.",
        group=GROUP,
    ),
    Setting(
        name="task_queues",
        type=tuple[Queue, ...] | None,
        default=None,
        doc="The queues that a worker reads unless `-Q` names them: a list of names or `Queue`s, or a mapping "
        "of a name to its options; none: `task_default_queue`.",
        group=GROUP,
        prepare=read_queues,
    ),
    Setting(
        name="task_create_missing_queues",
        type=bool,
        default=True,
        doc="Tasks may go to queues that `task_queues` does not name; otherwise sending them raises.",
        group=GROUP,
    ),
    Setting(
        name="task_queue_max_priority",
        type=Annotated[int, msgspec.Meta(ge=0, le=255)] | None,
        default=None,
        doc="Highest priority of queues on brokers where a queue must be declared with one (RabbitMQ); "
        "elsewhere it is always 9.",
        group=GROUP,
    ),
    Setting(
        name="task_routes",
        type=Any,
        default=None,
        doc="Which task goes to which queue: a mapping of a task's name or pattern to a queue or to options, "
        "a list of (pattern, route) pairs, mappings and routers, or one router: a function or its path.",
        group=GROUP,
        check=check_routes,
    ),
    Setting(
        name="task_default_priority",
        type=Priority | None,
        default=None,
        doc="Priority of tasks without one: 0 to 9, and 9 is the most urgent on every broker.",
        group=GROUP,
    ),
    Setting(
        name="task_default_rate_limit",
        type=str | float | None,
        default=None,
        doc="Most runs of one task that a worker starts: a number a second, or '100/m'; none or 0: no limit. A "
        "pool's processes share it.",
        group=GROUP,
        check=_rate,
    ),
    Setting(
        name="task_serializer",
        type=Name,
        default="json",
        doc="Serializer of arguments.",
        group=GROUP,
    ),
    Setting(
        name="task_compression",
        type=Name | None,
        default=None,
        doc="Compression of messages: gzip, bzip2, lzma, zstd, brotli; none: as they are.",
        group=GROUP,
    ),
    Setting(
        name="task_protocol",
        type=Literal[2],
        default=2,
        doc="Protocol of messages that are written. Protocol 1 is read as well, but not written.",
        group=GROUP,
    ),
    Setting(
        name="task_publish_retry",
        type=bool,
        default=True,
        doc="Try again when sending a task fails, within `broker_publish_timeout`.",
        group=GROUP,
    ),
    Setting(
        name="task_publish_retry_policy",
        type=dict[str, Any],
        default={"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2},
        doc="How: `max_retries` (none: until the time is over), and `interval_start`, `interval_step`, "
        "`interval_max` in seconds.",
        group=GROUP,
    ),
    Setting(
        name="task_send_sent_event",
        type=bool,
        default=False,
        doc="Send an event for each task that is sent.",
        group=GROUP,
    ),
    Setting(
        name="task_acks_late",
        type=bool,
        default=True,
        doc="Remove a message after its task has run, so that a crash loses nothing; otherwise before it, "
        "so that nothing runs twice. Celery's default is the other way.",
        group=GROUP,
    ),
    Setting(
        name="task_acks_on_failure_or_timeout",
        type=bool,
        default=True,
        doc="A task that failed or ran out of time counts as done; otherwise its message goes to the dead "
        "letters. Matters with `task_acks_late` only.",
        group=GROUP,
    ),
    Setting(
        name="task_reject_on_worker_lost",
        type=bool,
        default=True,
        doc="A task whose process died runs again, up to `worker_max_attempts`; otherwise it fails with "
        "`WorkerLost` at once, on brokers that count attempts. Celery's default is the other way.",
        group=GROUP,
        prepare=lambda value: True if value is None else value,
    ),
    Setting(
        name="task_time_limit",
        type=Seconds | None,
        default=None,
        unit="seconds",
        doc="The task's process is killed after this time, and the task fails with `TimeLimitExceeded`; none or "
        "0: never.",
        group=GROUP,
        check=_none_for_zero,
    ),
    Setting(
        name="task_soft_time_limit",
        type=Seconds | None,
        default=None,
        unit="seconds",
        doc="`SoftTimeLimitExceeded` is raised inside the task after this time; none or 0: never.",
        group=GROUP,
        check=_none_for_zero,
    ),
    Setting(
        name="task_track_started",
        type=bool,
        default=False,
        doc="Store the state STARTED when a task begins.",
        group=GROUP,
    ),
    Setting(
        name="task_ignore_result",
        type=bool,
        default=False,
        doc="Store no states and results.",
        group=GROUP,
    ),
    Setting(
        name="task_store_errors_even_if_ignored",
        type=bool,
        default=False,
        doc="Store failures even of tasks that ignore their results.",
        group=GROUP,
    ),
    Setting(
        name="task_always_eager",
        type=bool,
        default=False,
        doc="Run tasks at once in the calling process instead of sending them; for tests.",
        group=GROUP,
    ),
    Setting(
        name="task_eager_propagates",
        type=bool,
        default=False,
        doc="Eager tasks raise their errors to the caller.",
        group=GROUP,
    ),
)
