"""An event loop on a thread of its own, and the coroutines of tasks on it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable

from tq.contracts.pool import Job, Seat

logger = logging.getLogger("tq.pool")

_LAST_WORDS = 1.0
"""Seconds for coroutines to end that were cancelled."""


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where that is installed, else of asyncio."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


class LoopThread:
    """Starts jobs that other threads hand in. Those that come together wake the loop once."""

    def __init__(self, make_loop: Callable[[], asyncio.AbstractEventLoop] = new_loop) -> None:
        self._make_loop = make_loop
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="tq-loop", daemon=True)
        self._number: int | None = None
        self._new: deque[tuple[Job, Seat]] = deque()
        self._awake = False
        self._is_over = False
        self._running: dict[Seat, tuple[Job, asyncio.Task[None]]] = {}
        """What runs on a seat, or what ran there last."""

    def start(self) -> None:
        """Start the thread."""
        self._loop = self._make_loop()
        self._thread.start()
        self._number = self._thread.ident

    def spawn(self, job: Job, seat: Seat) -> None:
        """Start a job soon; from any thread."""
        if threading.get_ident() == self._number:
            self._start(job, seat)
            return
        self._new.append((job, seat))
        if not self._awake:
            self._awake = True
            self._loop.call_soon_threadsafe(self._start_all)

    def has(self, seat: Seat) -> bool:
        """Whether what runs on this seat is a coroutine; from any thread."""
        running = self._running.get(seat)
        return running is not None and not running[1].done()

    def cancel(self, seat: Seat, receipt: int) -> None:
        """Cancel the coroutine of `receipt`, if it still runs on this seat then; from any thread."""
        self._loop.call_soon_threadsafe(self._cancel, seat, receipt)

    def end(self) -> None:
        """Cancel what still runs, and end the loop. A coroutine that does not end is left behind."""
        self._loop.call_soon_threadsafe(self._begin_to_end)
        self._thread.join(2 * _LAST_WORDS)
        if self._thread.is_alive():
            logger.warning("a coroutine does not let the loop go on; it is left behind")

    # -- on the thread of the loop -------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._is_over:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as exc:
                # asyncio lets them out of the loop, where whatever a body started raises one.
                logger.error("a task raised %r on the loop, which goes on", exc)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start_all(self) -> None:
        # Before the queue is read: who adds later must wake the loop again.
        self._awake = False
        while self._new:
            self._start(*self._new.popleft())

    def _start(self, job: Job, seat: Seat) -> None:
        self._running[seat] = (job, self._loop.create_task(_arun(job)))

    def _cancel(self, seat: Seat, receipt: int) -> None:
        running = self._running.get(seat)
        if running is not None and seat.receipt == receipt:
            job, task = running
            job.revoke()
            task.cancel()

    def _begin_to_end(self) -> None:
        self._last_task = self._loop.create_task(self._end())

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS)
        self._is_over = True
        self._loop.stop()


async def _arun(job: Job) -> None:
    try:
        await job.arun()
    except Exception:
        logger.exception("a job raised, which it must not; the loop goes on")
