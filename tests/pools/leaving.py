"""A process whose pool is stopped while a plain body still runs.

`python -m tests.pools.leaving POOL` prints "back" when the pool has returned, and has to end then;
`run_until_cold_stop` starts that and tells what it printed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.pools.workshop import Workshop, until
from tq.contracts.pool import StopMode
from tq.plugins import registry

_ROOT = Path(__file__).parents[2]


def run_until_cold_stop(pool: str) -> str:
    """What the process printed; raises `subprocess.SubprocessError` where it did not end, or not well."""
    command = [sys.executable, "-m", "tests.pools.leaving", pool]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120, check=True).stdout


def main(name: str) -> None:
    """Run one body that takes ten minutes, and stop."""
    workshop = Workshop(lambda: time.sleep(600), concurrency=1)
    pool = registry.load_pool(name)(workshop)

    def stop() -> None:
        until(lambda: any(seat.receipt == 0 for seat in pool.seats()))
        pool.stop(StopMode.COLD)

    threading.Thread(target=stop).start()
    pool.run()
    print("back", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
