# /// script
# dependencies = ["huey==3.5.*", "redis", "hiredis", "gevent"]
# [tool.bench]
# name = "huey"
# tasks = 8000
# [tool.bench.variants.process]
# worker = ["-m", "huey.bin.huey_consumer", "on_huey.huey", "-k", "process", "-w", "{processes}", "-q"]
# [tool.bench.variants.fast]
# processes = 1
# worker = ["-m", "huey.bin.huey_consumer", "on_huey.huey", "-k", "{kind}", "-w", "{threads}", "-n", "-q"]
# [tool.bench.variants.notify]
# rows = ["round_trip"]
# env = {BENCH_NOTIFY = "1"}
# worker = ["-m", "huey.bin.huey_consumer", "on_huey.huey", "-k", "thread", "-w", "1", "-n", "-q"]
# ///
"""huey: with processes; with threads and without its scheduler's periodic tasks; and with results that are announced."""

from __future__ import annotations

import os

import measure
from huey import RedisHuey

NOTIFIED = {"notify_result": True} if os.environ.get("BENCH_NOTIFY") else {}
huey = RedisHuey("bench", url=os.environ["BENCH_URL"], results=os.environ["BENCH_RESULTS"] == "1", **NOTIFIED)


@huey.task()
def noop() -> int:
    """Nothing but being counted."""
    measure.tick()
    return 0


@huey.task()
def wait() -> int:
    """Ten milliseconds of somebody else's time."""
    measure.pause()
    return 0


@huey.task()
def burn(seconds: float) -> int:
    """Keep a processor busy."""
    measure.burn(seconds)
    return 0


def send(count: int, task: object = noop) -> float:
    """Seconds for `count` calls; it has no bulk call."""
    return measure.seconds_in_batches(lambda _: task(), count, size=1)  # type: ignore[operator]


def mixed(count: int) -> None:
    """One task of two seconds among short ones."""
    for seconds in measure.mix(count):
        burn(seconds)


if __name__ == "__main__":
    import on_huey as program  # a task's name holds its module's, which the worker must know

    measure.main(
        send=program.send,
        send_waits=lambda count: program.send(count, program.wait),
        mixed=program.mixed,
        delay=lambda count: measure.rate(program.noop, count),
        round_trip=lambda count: measure.percentiles(
            lambda: program.noop().get(blocking=True, timeout=30), count
        ),
    )
