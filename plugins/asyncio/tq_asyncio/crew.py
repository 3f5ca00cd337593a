"""Threads for bodies that are no coroutines, started when they are needed."""

from __future__ import annotations

import logging
import queue
import threading

from tq.contracts.pool import Job

logger = logging.getLogger("tq.pool")

_LAST_WORDS = 1.0
"""Seconds for the threads that have nothing to do to end."""


class Crew:
    """At most `most` threads. They are daemons: the exit of the process waits for no body that was given back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads: list[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def run(self, job: Job) -> None:
        """Run a job soon; from one thread only."""
        self._jobs.put(job)
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            name = f"tq-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()

    def dismiss(self, *, wait: bool) -> None:
        """End each thread when it has nothing to do any more; with `wait`, they have nothing to do now."""
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join(_LAST_WORDS)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.run()
            except Exception:
                logger.exception("a job raised, which it must not; its thread goes on")
            self._idle.release()
