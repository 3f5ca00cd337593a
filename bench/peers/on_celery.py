# /// script
# dependencies = ["celery[redis]==5.7.*", "hiredis", "psycopg2-binary", "gevent"]
# [tool.bench]
# name = "Celery"
# [tool.bench.variants.prefork]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-c", "{processes}", "-P", "prefork"]
# [tool.bench.variants.solo]
# processes = 1
# rows = ["drain", "drain_results", "round_trip"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"]
# [tool.bench.variants.gevent]
# rows = ["waits"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "gevent", "-c", "{width}", "--prefetch-multiplier", "4"]
# ///
"""Celery 5.7: its defaults, and the pools that suit a row best."""

from __future__ import annotations

import os

import measure
from celery import Celery, chord, group

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"

app = Celery("bench", broker=URL, backend=URL if RESULTS else None)
app.conf.task_ignore_result = not RESULTS
app.conf.broker_connection_retry_on_startup = True


@app.task(name="bench.noop")
def noop() -> None:
    """Nothing but being counted."""
    measure.tick()


@app.task(name="bench.wait")
def wait() -> None:
    """Ten milliseconds of somebody else's time."""
    measure.pause()


@app.task(name="bench.burn")
def burn(seconds: float) -> None:
    """Keep a processor busy."""
    measure.burn(seconds)


@app.task(name="bench.gather")
def gather(values: list[None]) -> int:
    """The body of a chord."""
    return len(values)


def send(count: int, task: str = "bench.noop") -> float:
    """Seconds for `count` calls through the bulk API."""
    sent = app.tasks[task]
    return measure.seconds_in_batches(
        lambda size: group([sent.si() for _ in range(size)]).apply_async(), count
    )


def mixed(count: int) -> None:
    """One task of two seconds among short ones."""
    group([burn.si(seconds) for seconds in measure.mix(count)]).apply_async()


def chords(count: int) -> float:
    """Seconds for a chord of `count` members, from the call to the result of its body."""

    def run() -> int:
        return int(chord([noop.si() for _ in range(count)])(gather.s()).get(timeout=300))

    return measure.seconds_of_chord(run, there_and_back, count)


def there_and_back() -> None:
    """Call, and wait for the result."""
    noop.delay().get(timeout=30)


if __name__ == "__main__":
    measure.main(
        send=send,
        send_waits=lambda count: send(count, "bench.wait"),
        mixed=mixed,
        delay=lambda count: measure.seconds_of(noop.delay, count),
        round_trip=lambda count: measure.percentiles(there_and_back, count),
        chord=chords,
    )
