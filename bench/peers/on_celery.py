# /// script
# dependencies = ["celery[redis]==5.7.*", "hiredis", "psycopg2-binary", "gevent"]
# [tool.bench]
# name = "Celery"
# tasks = 2000
# [tool.bench.variants.prefork]
# stores = ["redis", "rabbitmq"]
# skips = ["waits", "waits_1000", "delay_rabbitmq"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-c", "{processes}", "-P", "prefork"]
# [tool.bench.variants.solo]
# processes = 1
# stores = ["redis", "rabbitmq"]
# rows = ["drain", "drain_results", "drain_rabbitmq", "round_trip", "start"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"]
# [tool.bench.variants.threads]
# processes = 1
# rows = ["drain", "waits"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "threads", "-c", "{width}", "--prefetch-multiplier", "4", "--without-gossip", "--without-mingle"]
# [tool.bench.variants.confirming]
# stores = ["rabbitmq"]
# rows = ["delay_rabbitmq"]
# env = {BENCH_CONFIRM = "1"}
# worker = []
# [tool.bench.variants.gevent]
# rows = ["waits", "waits_1000"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "gevent", "-c", "{width}", "--prefetch-multiplier", "4"]
# ///
"""Celery 5.7: its defaults, and the pools that suit a row best."""

from __future__ import annotations

import os

import celery_like
import measure
from celery import Celery, chord, group

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"

app = Celery("bench", broker=URL, backend=URL if RESULTS else None)
app.conf.task_ignore_result = not RESULTS
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("BENCH_CONFIRM"):
    app.conf.broker_transport_options = {"confirm_publish": True}


tasks = celery_like.Program(app, group, chord)


def send(count: int, task: str = "bench.noop") -> float:
    """Seconds for `count` calls through the bulk API."""
    sent = app.tasks[task]
    return measure.seconds_in_batches(
        lambda size: group([sent.si() for _ in range(size)]).apply_async(), count
    )


if __name__ == "__main__":
    measure.main(
        send=send,
        send_waits=lambda count: send(count, "bench.wait"),
        mixed=tasks.mixed,
        delay=tasks.one_by_one,
        round_trip=tasks.round_trip,
        chord=tasks.chords,
    )
