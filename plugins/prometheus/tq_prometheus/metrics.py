"""The metrics that processes count, by their names."""

from __future__ import annotations

import os
import threading
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

RUN_TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Seconds, upper ends of buckets."""
WAIT_TIMES = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)


class Metrics:
    """What one process counts. `registry` None: only the files of the multi-process mode are read.

    Changes are made with `lock` held, so that no process is forked in the middle of one: the child would inherit the
    client library's own lock, taken for ever.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self.lock.acquire, after_in_parent=self.lock.release, after_in_child=self.lock.release
            )
        by_task = ("task", "queue")
        self.tasks = Counter(
            "tq_tasks",
            "Runs of tasks by the state in which they ended.",
            (*by_task, "state"),
            registry=registry,
        )
        self.run_time = Histogram(
            "tq_task_run_seconds",
            "Seconds from the start of a body to its end.",
            by_task,
            buckets=RUN_TIMES,
            registry=registry,
        )
        self.wait_time = Histogram(
            "tq_task_wait_seconds",
            "Seconds from the moment a task was sent, or was due, to the start of its body.",
            by_task,
            buckets=WAIT_TIMES,
            registry=registry,
        )
        self.running = Gauge(
            "tq_tasks_running",
            "Bodies that run now.",
            by_task,
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.dead = Counter(
            "tq_dead_letters",
            "Messages that went to the dead letters, by cause.",
            ("queue", "cause"),
            registry=registry,
        )
        self.published = Counter(
            "tq_messages_published", "Messages that the broker accepted.", by_task, registry=registry
        )


@cache
def of_clients() -> Metrics:
    """Those of a process that is no worker, in the registry that its own endpoint shows."""
    return Metrics(REGISTRY)
