# /// script
# dependencies = ["procrastinate==3.10.*", "psycopg[binary]"]
# [tool.bench]
# name = "procrastinate"
# stores = ["postgresql"]
# tasks = 2000
# prepare = ["-m", "procrastinate", "-a", "on_procrastinate.app", "schema", "--apply"]
# [tool.bench.variants.default]
# slow = true
# worker = ["-m", "procrastinate", "-a", "on_procrastinate.app", "worker"]
# [tool.bench.variants.fast]
# worker = ["-m", "procrastinate", "-a", "on_procrastinate.app", "worker", "--concurrency", "{wide}", "--delete-jobs", "always"]
# ///
"""procrastinate on PostgreSQL: its defaults, and with a wide limit and finished jobs deleted."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import measure
import procrastinate

URL = os.environ["BENCH_URL"].replace("postgresql+psycopg://", "postgresql://")
here = sys.argv[0].endswith("on_procrastinate.py")
connector = procrastinate.SyncPsycopgConnector if here else procrastinate.PsycopgConnector
app = procrastinate.App(connector=connector(conninfo=URL))


@app.task(name="noop", pass_context=False)
async def noop() -> None:
    """Nothing but being counted."""
    measure.tick()


@app.task(name="wait")
async def wait() -> None:
    """Ten milliseconds of somebody else's time."""
    await asyncio.sleep(0.01)
    measure.tick()


def send(count: int, name: str = "noop") -> float:
    """Seconds for `count` jobs through `batch_defer`."""
    with app.open():
        began = time.perf_counter()
        for start in range(0, count, 1000):
            app.configure_task(name).batch_defer(*({} for _ in range(min(1000, count - start))))
        return time.perf_counter() - began


def one_by_one(count: int) -> float:
    """Jobs a second, one after another."""
    with app.open():
        return measure.rate(noop.defer, count)


if __name__ == "__main__":
    measure.main(send=send, send_waits=lambda count: send(count, "wait"), delay=one_by_one)
