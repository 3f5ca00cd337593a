"""Settings of the worker."""

from __future__ import annotations

from typing import Any

from tq.config.setting import Setting
from tq.config.types import Name, PositiveCount, Seconds

GROUP = "Worker"
_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
_TASK_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"


def _none_for_auto(value: Any) -> Any:
    return None if value in ("auto", 0, "0") and value is not False else value


def _none_for_zero(value: Any) -> Any:
    return None if value in (0, "0") and value is not False else value


def _text_of_port(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _level_name(value: Any) -> Any:
    import logging  # not at the top: 3 ms of each start

    return logging.getLevelName(value) if type(value) is int else value


def _known_level(name: str) -> str:
    import logging

    if name.upper() not in logging.getLevelNamesMapping():
        raise ValueError("a log level: DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return name.upper()


SETTINGS = (
    Setting(
        name="worker_pool",
        type=Name,
        default="prefork",
        doc="Name of the pool's plugin: prefork, threads, solo, ...",
        group=GROUP,
    ),
    Setting(
        name="worker_concurrency",
        type=PositiveCount | None,
        default=None,
        doc="How many tasks run at a time; none or 'auto': one for each CPU that the process may use.",
        group=GROUP,
        prepare=_none_for_auto,
    ),
    Setting(
        name="worker_prefetch_multiplier",
        type=PositiveCount | None,
        default=None,
        unit="messages",
        doc="Most messages that a worker takes ahead for each task it can run at a time. None or 0: it takes "
        "what it will finish within some milliseconds, judged by its recent tasks, and gives back what "
        "turns out to wait; that is fair and fast, so a number is rarely useful.",
        group=GROUP,
        prepare=_none_for_zero,
    ),
    Setting(
        name="worker_max_attempts",
        type=PositiveCount,
        default=3,
        doc="How many processes one task may take with it into death; then its message goes to the dead "
        "letters. Has nothing to do with `max_retries` of tasks that raise.",
        group=GROUP,
    ),
    Setting(
        name="worker_max_tasks_per_child",
        type=PositiveCount | None,
        default=None,
        unit="tasks",
        doc="A child process is replaced after so many tasks.",
        group=GROUP,
        prepare=_none_for_zero,
    ),
    Setting(
        name="worker_max_memory_per_child",
        type=PositiveCount | None,
        default=None,
        unit="KiB",
        doc="A child process that uses more memory (resident) is replaced after its task.",
        group=GROUP,
        prepare=_none_for_zero,
    ),
    Setting(
        name="worker_shutdown_timeout",
        type=Seconds | None,
        default=60.0,
        unit="seconds",
        doc="How long a warm shutdown waits for running tasks before it becomes a cold one, which gives them "
        "back; none: as long as they run.",
        group=GROUP,
    ),
    Setting(
        name="worker_disable_rate_limits",
        type=bool,
        default=False,
        doc="Ignore the rate limits of tasks.",
        group=GROUP,
    ),
    Setting(
        name="worker_enable_remote_control",
        type=bool,
        default=True,
        doc="Answer remote control: inspect, revoke, shutdown, ...",
        group=GROUP,
    ),
    Setting(
        name="worker_send_task_events",
        type=bool,
        default=False,
        doc="Send an event for each step of each task (`-E`), for monitors.",
        group=GROUP,
    ),
    Setting(
        name="worker_skip_unheard_events",
        type=bool,
        default=True,
        doc="Make events of tasks only while the broker says that a monitor listens. Redis and RabbitMQ can say it; Redis "
        "counts the listeners of its own server alone, so with monitors that listen to a replica set it to False.",
        group=GROUP,
    ),
    Setting(
        name="worker_health_address",
        type=Name | None,
        default=None,
        doc="Where the worker answers HTTP probes (`--health`), `/livez` and `/readyz`: a port of 127.0.0.1, or "
        "host:port; none: nowhere.",
        group=GROUP,
        prepare=_text_of_port,
    ),
    Setting(
        name="worker_hijack_root_logger",
        type=bool,
        default=True,
        doc="The worker sets up the root logger, in place of handlers that are there already.",
        group=GROUP,
    ),
    Setting(
        name="worker_log_json",
        type=bool,
        default=False,
        doc="Log lines are JSON objects (`--log-json`); then formats and colours have no effect.",
        group=GROUP,
    ),
    Setting(
        name="worker_log_color",
        type=bool | None,
        default=None,
        doc="Colours in the log; none: where it goes to a terminal.",
        group=GROUP,
    ),
    Setting(
        name="worker_log_format",
        type=Name,
        default=_FORMAT,
        doc="Format of log lines.",
        group=GROUP,
    ),
    Setting(
        name="worker_log_datefmt",
        type=Name | None,
        default=None,
        doc="Format of the moment in log lines; none: that of `logging`.",
        group=GROUP,
    ),
    Setting(
        name="worker_task_log_format",
        type=Name,
        default=_TASK_FORMAT,
        doc="Format of log lines written inside tasks; `task_name` and `task_id` may be used.",
        group=GROUP,
    ),
    Setting(
        name="worker_task_log_datefmt",
        type=Name | None,
        default=None,
        doc="Format of the moment in log lines written inside tasks.",
        group=GROUP,
    ),
    Setting(
        name="worker_redirect_stdouts",
        type=bool,
        default=True,
        doc="What tasks print goes to the log.",
        group=GROUP,
    ),
    Setting(
        name="worker_redirect_stdouts_level",
        type=Name,
        default="WARNING",
        doc="With this level.",
        group=GROUP,
        prepare=_level_name,
        check=_known_level,
    ),
)
