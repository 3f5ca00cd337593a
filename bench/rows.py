"""What is measured: the rows of the table with their goals, and the measurements that fill them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench import measures
from bench.goals import BEST, Goal, at_least, at_most, of_limit, of_own, times
from bench.peer import Installed, Setting


@dataclass(frozen=True)
class Row:
    """A line of the table. `larger` says that more is better."""

    name: str
    title: str
    unit: str
    goals: tuple[Goal, ...] = ()
    larger: bool = True


@dataclass(frozen=True)
class Measurement:
    """One thing to do with each peer. `command` is what a peer's program must know to take part."""

    name: str
    rows: tuple[str, ...]
    """The rows that it fills, in the order in which `run` returns their figures."""
    run: Callable[[Installed, Setting, int], tuple[float, ...]]
    command: str
    count: int
    """The most tasks or calls."""
    store: str = "redis"
    results: bool = False
    processes: int = 1
    width: int = 1
    rounds: int = 1_000
    """The most rounds, where more would tell nothing."""


_RATE, _CALLS = "tasks/s", "calls/s"
_CELERY = "Celery prefork"

ROWS = {
    row.name: row
    for row in (
        Row("drain", "Drain, no results", _RATE, (times(_CELERY, 100), times(BEST, 20))),
        Row("drain_results", "Drain, results stored", _RATE, (times(_CELERY, 70), times(BEST, 15))),
        Row("drain_two", "Drain, two processes", _RATE, (of_own("drain", 1.3), times(BEST, 12))),
        Row("delay", "Calls one by one", _CALLS, (times("Celery", 8), times(BEST, 1.5), of_limit(1 / 1.3))),
        Row("bulk", "Bulk calls", _CALLS, (times("Celery", 50), times(BEST, 8))),
        Row("round_trip", "Call to result, idle worker, median", "ms", (times(BEST, 3.33),), False),
        Row(
            "round_trip_p99",
            "The same, 99th percentile",
            "ms",
            (of_own("round_trip", 3, at_most=True),),
            False,
        ),
        Row("waits", "10 ms waits, 100 at a time", "% of ideal", (at_least(90, "%"), times(BEST, 3))),
        Row("waits_1000", "10 ms waits, 1,000 at a time", "% of ideal", (at_least(70, "%"),)),
        Row("chord", "Chord of 1,000", "members/s", (times("Celery", 10),)),
        Row(
            "memory",
            "Memory of an idle worker, two wide",
            "MiB",
            (at_most(60, "MiB"), times("Celery", 2)),
            False,
        ),
        Row("idle", "Processor time of an idle worker, two wide", "% of a core", (at_most(0.3, "%"),), False),
        Row("start", "Start to first task done", "s", (times(_CELERY, 2),), False),
        Row(
            "unfair",
            "Last of 3,000 tasks of 50 µs with one of 2 s among them",
            "s",
            (at_most(0.25, "s"),),
            False,
        ),
        Row("drain_rabbitmq", "RabbitMQ: drain", _RATE, (times(_CELERY, 10), times(BEST, 2.5))),
        Row(
            "delay_rabbitmq",
            "RabbitMQ: calls one by one, each confirmed",
            _CALLS,
            (times("Celery", 10), times(BEST, 2.5)),
        ),
        Row("bulk_rabbitmq", "RabbitMQ: bulk calls, confirmed by tq alone", _CALLS, (times(BEST, 1),)),
        Row(
            "drain_postgresql",
            "PostgreSQL: drain",
            _RATE,
            (times("procrastinate", 20), of_limit(1 / 3, 10_000)),
        ),
        Row("delay_postgresql", "PostgreSQL: calls one by one", _CALLS, (times("procrastinate", 1.5),)),
        Row("drain_sqlite", "SQLite: drain", _RATE, (of_limit(1 / 3, 40_000),)),
        Row("drain_sqlite_two", "SQLite: drain, two processes", _RATE, (of_limit(1 / 3, 40_000),)),
    )
}

_DRAIN = Measurement("drain", ("drain", "bulk"), measures.drain, "send", 20_000)
_WAITS = Measurement("waits", ("waits",), measures.waits, "send_waits", 10_000, width=100)
_DELAY = Measurement("delay", ("delay",), measures.delay, "delay", 100_000)
_SQLITE = replace(_DRAIN, name="drain_sqlite", rows=("drain_sqlite",), store="sqlite")
MEASUREMENTS = (
    _DRAIN,
    replace(_DRAIN, name="drain_results", rows=("drain_results",), results=True),
    replace(_DRAIN, name="drain_two", rows=("drain_two",), processes=2, count=40_000),
    _DELAY,
    Measurement(
        "round_trip",
        ("round_trip", "round_trip_p99"),
        measures.round_trip,
        "round_trip",
        400,
        results=True,
    ),
    _WAITS,
    replace(_WAITS, name="waits_1000", rows=("waits_1000",), count=60_000, width=1000),
    Measurement("chord", ("chord",), measures.chord, "chord", 1_000, results=True),
    Measurement("rest", ("memory", "idle"), measures.rest, "send", 4, processes=2, rounds=3),
    Measurement("start", ("start",), measures.start, "send", 1),
    Measurement("unfair", ("unfair",), measures.unfair, "mixed", 3_000, processes=2, rounds=5),
    replace(_DRAIN, name="drain_rabbitmq", rows=("drain_rabbitmq", "bulk_rabbitmq"), store="rabbitmq"),
    replace(_DELAY, name="delay_rabbitmq", rows=("delay_rabbitmq",), store="rabbitmq"),
    replace(_DRAIN, name="drain_postgresql", rows=("drain_postgresql",), store="postgresql"),
    replace(_DELAY, name="delay_postgresql", rows=("delay_postgresql",), store="postgresql"),
    _SQLITE,
    replace(_SQLITE, name="drain_sqlite_two", rows=("drain_sqlite_two",), processes=2),
)
