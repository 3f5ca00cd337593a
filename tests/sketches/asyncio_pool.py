"""A sketch of an asyncio pool: coroutine bodies share one loop, plain ones run in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tq.contracts.pool import Job, Pool, PoolCap, PoolSetup, Seat, StopMode


class AsyncioPool(Pool):
    """The engine has the main thread, the loop one of its own: a slow coroutine delays no settlement."""

    api_version = 1
    # SOFT_LIMIT is left out: plain bodies would need the seats and the watchdog of the threads pool.
    capabilities = PoolCap.CONCURRENCY | PoolCap.COROUTINES

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._seats = [setup.local_seat() for _ in range(setup.concurrency)]
        self._engine = setup.slots_engine(self._seats, self._spawn)
        self._loop = asyncio.new_event_loop()
        self._threads = ThreadPoolExecutor(setup.concurrency)

    def run(self) -> None:
        loop = threading.Thread(target=self._loop.run_forever, daemon=True)
        loop.start()
        try:
            self._engine.run()
        finally:
            # At a cold stop bodies still run, and what they say counts for nothing any more.
            self._threads.shutdown(wait=False, cancel_futures=True)
            asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            loop.join()
            self._loop.close()

    def stop(self, mode: StopMode) -> None:
        self._engine.stop(mode)

    def seats(self) -> Sequence[Seat]:
        return self._seats

    def _spawn(self, job: Job, seat: Seat) -> None:
        if job.is_coroutine:
            asyncio.run_coroutine_threadsafe(_arun(job), self._loop)
        else:
            self._threads.submit(job.run)


async def _arun(job: Job) -> None:
    await job.arun()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
