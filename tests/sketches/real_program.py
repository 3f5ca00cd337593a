"""A real worker with a sketched pool: `python -m tests.sketches.real_program gevent_pool GeventPool`.

Memory broker, the core's own engine; prints what it saw as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any


def main(module: str, name: str) -> None:
    pool_class: Any = getattr(importlib.import_module(f"tests.sketches.{module}"), name)
    pool_class.prepare()

    import threading
    import time

    from tq import TQ
    from tq.app.work import WorkerOptions, make_worker
    from tq.contracts.pool import StopMode
    from tq.plugins import registry

    # A sketch has no entry point by which the registry could find it.
    registry.load_pool = lambda name: pool_class
    app = TQ("sketch", broker="memory://", backend="cache+memory://")
    began: list[int] = []

    @app.task
    def meet(number: int) -> int:
        began.append(number)
        while len(began) < 3:
            time.sleep(0.001)
        return number

    @app.task
    def sleep() -> None:
        time.sleep(60)

    def work(stop: StopMode, while_running: Any) -> tuple[Any, float]:
        worker = make_worker(app, WorkerOptions(pool="sketch", concurrency=3))
        thread = threading.Thread(target=worker.run, kwargs={"install_signals": False}, daemon=True)
        thread.start()
        seen = while_running(worker)
        asked = time.monotonic()
        worker.stop(stop)
        thread.join(10)
        return seen, time.monotonic() - asked

    def wait_for_three(worker: Any) -> list[int]:
        return [result.get(timeout=10) for result in [meet.delay(number) for number in range(3)]]

    def wait_for_start(worker: Any) -> str:
        result = sleep.delay()
        while all(seat.receipt == -1 for seat in worker.pool.seats()):
            time.sleep(0.001)
        return str(result.id)

    met, _ = work(StopMode.WARM, wait_for_three)
    _, cold_seconds = work(StopMode.COLD, wait_for_start)
    waiting = app.broker.stats(app.conf.task_default_queue).ready
    print(json.dumps({"met": met, "cold_seconds": cold_seconds, "waiting": waiting}), flush=True)
    # A plain body of the asyncio pool still sleeps in a thread for which the interpreter would wait.
    os._exit(0)


main(*sys.argv[1:])
