# /// script
# dependencies = ["dramatiq[redis,rabbitmq]==2.2.*", "hiredis"]
# [tool.bench]
# name = "dramatiq"
# tasks = 5000
# [tool.bench.variants.default]
# slow = true
# stores = ["redis", "rabbitmq"]
# skips = ["delay_rabbitmq"]
# worker = ["-m", "dramatiq", "on_dramatiq", "--processes", "{processes}"]
# [tool.bench.variants.fast]
# stores = ["redis", "rabbitmq"]
# skips = ["delay_rabbitmq"]
# env = {BENCH_FAST = "1", dramatiq_queue_prefetch = "1000"}
# worker = ["-m", "dramatiq", "on_dramatiq", "--processes", "{processes}", "--threads", "{few}"]
# [tool.bench.variants.confirming]
# stores = ["rabbitmq"]
# rows = ["delay_rabbitmq"]
# env = {BENCH_FAST = "1", BENCH_CONFIRM = "1"}
# worker = []
# ///
"""dramatiq: its defaults, and without the middleware that a no-op does not need, with a wide prefetch."""

from __future__ import annotations

import os

import dramatiq
import measure
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"
ANSWER = 0 if RESULTS else None
"""A value that nothing stores would be warned of each time."""

CONFIRM = bool(os.environ.get("BENCH_CONFIRM"))
options = {"middleware": []} if os.environ.get("BENCH_FAST") else {}
if URL.startswith("amqp"):
    broker = RabbitmqBroker(url=URL, confirm_delivery=CONFIRM, **options)
else:
    broker = RedisBroker(url=URL, **options)
if RESULTS:
    broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)


def _noop() -> int | None:
    measure.tick()
    return ANSWER


def _wait() -> int | None:
    measure.pause()
    return ANSWER


def _burn(seconds: float) -> int | None:
    measure.burn(seconds)
    return ANSWER


stored = {"store_results": True} if RESULTS else {}
noop = dramatiq.actor(_noop, actor_name="noop", **stored)
wait = dramatiq.actor(_wait, actor_name="wait", **stored)
burn = dramatiq.actor(_burn, actor_name="burn", **stored)


def send(count: int, actor: dramatiq.Actor = noop) -> float:
    """Seconds for `count` messages in groups."""
    return measure.seconds_in_batches(
        lambda size: dramatiq.group([actor.message() for _ in range(size)]).run(), count
    )


def mixed(count: int) -> None:
    """One task of two seconds among short ones."""
    for seconds in measure.mix(count):
        burn.send(seconds)


if __name__ == "__main__":
    measure.main(
        send=send,
        send_waits=lambda count: send(count, wait),
        mixed=mixed,
        delay=lambda count: measure.rate(noop.send, count),
        round_trip=lambda count: measure.percentiles(
            lambda: noop.send().get_result(block=True, timeout=30_000), count
        ),
    )
