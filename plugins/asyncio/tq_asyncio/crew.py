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
        self._access = threading.Lock()
        self._here = threading.local()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def run(self, job: Job) -> None:
        """Run a job soon; from any thread. One of the crew is about to be idle, and takes it itself."""
        self._jobs.put(job)
        if hasattr(self._here, "goes_on"):
            self._here.goes_on = True
            return
        with self._access:
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
        here = self._here
        while (job := self._jobs.get()) is not None:
            here.goes_on = False
            try:
                job.run()
            except Exception:
                logger.exception("a job raised, which it must not; its thread goes on")
            if not here.goes_on:
                self._idle.release()
