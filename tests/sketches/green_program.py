"""A program with a pool of greenlets: `python -m tests.sketches.green_program gevent_pool GeventPool`.

Prints what it saw as JSON. It needs a process of its own, for monkey-patching changes all of it; and like the
CLI it calls `prepare` when the contracts have been imported, and the application has not.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys


def main(module: str, name: str) -> None:
    pool_class = getattr(importlib.import_module(f"tests.sketches.{module}"), name)
    pool_class.prepare()

    import threading
    import time

    from tests.pools.workshop import Workshop
    from tq.contracts.pool import StopMode

    began: list[float] = []
    greenlets: set[int] = set()

    def meet() -> str:
        """Ends only if the others run meanwhile."""
        began.append(time.monotonic())
        greenlets.add(threading.get_ident())
        while len(began) < 3:
            time.sleep(0.001)
        return "met"

    def sleep() -> None:
        time.sleep(30)

    workshop = Workshop(meet, meet, meet, sleep, concurrency=3, soft_time_limit=0.3)
    pool = pool_class(workshop)

    def stop_when_done() -> None:
        while len(workshop.engine.outcomes) < 4:
            time.sleep(0.005)
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, lambda number, frame: pool.stop(StopMode.WARM))
    threading.Thread(target=stop_when_done).start()
    pool.run()
    warm = {receipt: repr(outcome) for receipt, outcome in workshop.engine.outcomes.items()}

    workshop = Workshop(sleep, sleep, concurrency=1)
    pool = pool_class(workshop)
    threading.Timer(0.1, pool.stop, [StopMode.COLD]).start()
    began_at = time.monotonic()
    pool.run()
    print(
        json.dumps(
            {
                "warm": warm,
                "greenlets": len(greenlets),
                "given_back": workshop.engine.given_back,
                "cold_outcomes": workshop.engine.outcomes,
                "cold_seconds": time.monotonic() - began_at,
                "receipts": [seat.receipt for seat in pool.seats()],
            }
        )
    )


main(*sys.argv[1:])
