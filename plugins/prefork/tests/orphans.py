"""A program with a pool that somebody is going to kill: prints the pids of its two children."""

from __future__ import annotations

import time

from prefork_workshop import Job, Running, Workshop, until


def stubborn() -> None:
    while True:
        time.sleep(60)


def main() -> None:
    workshop = Workshop(Job(stubborn), concurrency=2)
    workshop.send(0)
    running = Running(workshop)
    until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
    until(lambda: len(running.pool.pids()) == 2)
    print(*running.pool.pids(), flush=True)


main()
