# /// script
# dependencies = ["rq==3.0.*", "hiredis"]
# [tool.bench]
# name = "rq"
# tasks = 6000
# processes = 1
# [tool.bench.variants.fork]
# slow = true
# worker = ["-m", "rq.cli", "worker", "-q", "--url", "{url}", "bench"]
# [tool.bench.variants.fast]
# worker = ["-m", "rq.cli", "worker", "-q", "--worker-class", "rq.worker.SimpleWorker", "--url", "{url}", "bench"]
# ///
"""rq: a fork for each job, and its SimpleWorker."""

from __future__ import annotations

import os

import measure
from redis import Redis
from rq import Queue

KEEP = 500 if os.environ["BENCH_RESULTS"] == "1" else 0
queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_URL"]))


def noop() -> int:
    """Nothing but being counted."""
    measure.tick()
    return 0


def send(count: int) -> float:
    """Seconds for `count` jobs through `enqueue_many`."""

    def many(size: int) -> None:
        queue.enqueue_many([Queue.prepare_data("on_rq.noop", result_ttl=KEEP) for _ in range(size)])

    return measure.seconds_in_batches(many, count)


def there_and_back() -> None:
    """Call, and wait for the result."""
    job = queue.enqueue("on_rq.noop", result_ttl=KEEP)
    if job.latest_result(timeout=30) is None:
        raise SystemExit("no result within 30 s")


if __name__ == "__main__":
    measure.main(
        send=send,
        delay=lambda count: measure.rate(lambda: queue.enqueue("on_rq.noop", result_ttl=KEEP), count),
        round_trip=lambda count: measure.percentiles(there_and_back, count),
    )
