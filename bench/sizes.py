"""How messages and schedules grow: `python -m bench.sizes`. Counts and bytes; the times are of this machine.

Chains: bytes of the first message, which carries the rest. Chords: bytes of one member's message, which carries the body and
nothing of its siblings, and the time to send one. Schedules: what a tick of beat costs with so many entries, and their
memory.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from tq import TQ, chain, chord
from tq.app.beat import make_beat

CHAINS = (1, 10, 100, 1_000)
CHORDS = (10, 100, 1_000, 10_000)
ENTRIES = 10_000


def main() -> None:
    """Print all."""
    print("chain of   first message   bytes a step")
    for length, size in chains():
        print(f"{length:8,}   {size:11,} B   {size / length:10,.0f} B")
    print("\nchord of   a member's message   sent, a member")
    for length, size, seconds in chords():
        print(f"{length:8,}   {size:16,} B   {seconds / length * 1e6:11.1f} µs")
    tick, memory = schedules()
    print(f"\n{ENTRIES:,} schedule entries: a tick takes {tick * 1e3:.3f} ms; {memory / 1e6:.1f} MB")


def chains() -> Iterator[tuple[int, int]]:
    """(length, bytes of the first message)."""
    for length in CHAINS:
        with _app() as app:
            add: Any = app.task(name="bench.add")(lambda x, y: x + y)
            chain(add.s(1, 1), *(add.s(1) for _ in range(length - 1))).apply_async()
            yield length, _largest(app)


def chords() -> Iterator[tuple[int, int, float]]:
    """(members, bytes of the largest message, seconds to send all)."""
    for length in CHORDS:
        with _app() as app:
            add: Any = app.task(name="bench.add")(lambda x, y: x + y)
            total: Any = app.task(name="bench.total")(sum)
            canvas = chord([add.s(1, 1) for _ in range(length)], total.s())
            seconds = _seconds(canvas.apply_async)
            yield length, _largest(app), seconds


def schedules() -> tuple[float, float]:
    """Seconds of a tick that sends one message, and bytes of memory."""
    with _app() as app:
        app.task(name="bench.tick")(lambda: None)
        app.conf.beat_scheduler = app.conf.broker_url
        app.conf.beat_schedule = {
            f"entry {number}": {"task": "bench.tick", "schedule": 1e6 + number} for number in range(ENTRIES)
        } | {"fast": {"task": "bench.tick", "schedule": 0.05}}
        tracemalloc.start()
        beat = make_beat(app)
        beat.tick()
        memory = float(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        ticks: list[float] = []
        while len(ticks) < 40:
            time.sleep(beat.tick())
            began = time.perf_counter()
            beat.tick()
            ticks.append(time.perf_counter() - began)
        return statistics.median(ticks), memory


def _app() -> TQ:
    url = f"memory://sizes{time.monotonic_ns()}"
    return TQ("sizes", broker=url, backend=url, set_as_current=False)


def _largest(app: TQ) -> int:
    consumer = app.broker.consumer(["celery"], "sizes", lease=60)
    found = max(delivery.size for delivery in consumer.receive(100, 0.0))
    consumer.close()
    return found


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
