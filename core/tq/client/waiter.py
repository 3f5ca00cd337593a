"""Awaited results: a few threads wait for all of them together, and wake the loops that asked."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tq.contracts.results import ResultBackend
from tq.errors import BackendUnavailable, ResultTimeout
from tq.policy.backoff import reconnect_delays
from tq.records import TaskMeta

if TYPE_CHECKING:
    import asyncio

    _Future = asyncio.Future[TaskMeta]
    _Awaited = dict[str, list[tuple[asyncio.AbstractEventLoop, _Future]]]

logger = logging.getLogger("tq.client")

THREADS = 8
SLICE = 0.5
"""Seconds of one call of `ResultBackend.wait`; what is awaited while all threads wait is taken up after it."""
_GATHER = 0.002


class Waiter:
    """Waits for the results of one backend. However many are awaited, it uses at most `THREADS` threads, none of
    which belongs to one result; they end when nothing is awaited."""

    def __init__(self, backend: Callable[[], ResultBackend]) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._new: _Awaited = {}
        self._threads = 0
        self._gathering = 0

    async def wait(self, task_id: str, timeout: float | None = None) -> TaskMeta:
        """The document of a task that has ended. Raises `ResultTimeout` after `timeout` seconds."""
        import asyncio  # not at the top: a third of the time that importing tq takes

        loop = asyncio.get_running_loop()
        future: _Future = loop.create_future()
        with self._lock:
            self._new.setdefault(task_id, []).append((loop, future))
            start = not self._gathering and self._threads < THREADS
            if start:
                self._threads += 1
                self._gathering += 1
        if start:
            threading.Thread(target=self._run, name="tq-await", daemon=True).start()
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            if not future.cancelled():
                raise
            raise timed_out(task_id, timeout) from None

    # -- in a thread of its own ------------------------------------------------------------------------------

    def _run(self) -> None:
        time.sleep(_GATHER)  # Whoever awaits many results starts them one after the other.
        mine: _Awaited = {}
        pauses = reconnect_delays()
        first = True
        while self._take(mine, first):
            first = False
            try:
                found = self._backend().wait(list(mine), SLICE)
            except BackendUnavailable as exc:
                logger.warning("%s; asking for %d results again soon", exc, len(mine))
                time.sleep(next(pauses))
            except Exception as exc:  # noqa: BLE001 - it belongs to those who wait
                for task_id in list(mine):
                    _answer(mine.pop(task_id), exc)
            else:
                for task_id, meta in found.items():
                    _answer(mine.pop(task_id, []), meta)

    def _take(self, mine: _Awaited, first: bool) -> bool:
        """Add what is new, drop what nobody waits for any more; False: nothing is left, and this thread ends."""
        with self._lock:
            self._gathering -= first
            for task_id, futures in self._new.items():
                mine.setdefault(task_id, []).extend(futures)
            self._new = {}
            for task_id, futures in list(mine.items()):
                left = [(loop, future) for loop, future in futures if not _over(loop, future)]
                if left:
                    mine[task_id] = left
                else:
                    del mine[task_id]
            self._threads -= not mine
            return bool(mine)


def timed_out(task_id: str, timeout: float | None) -> ResultTimeout:
    """The error of a result that did not come in time."""
    return ResultTimeout(
        f"task {task_id} was not ready within {timeout} s; is a worker consuming its queue? (tq status)"
    )


def _over(loop: asyncio.AbstractEventLoop, future: _Future) -> bool:
    return future.done() or loop.is_closed()


def _answer(futures: list[tuple[asyncio.AbstractEventLoop, _Future]], answer: Any) -> None:
    for loop, future in futures:
        try:
            loop.call_soon_threadsafe(_set, future, answer)
        except RuntimeError:  # the loop was closed meanwhile, and nobody waits
            logger.debug("a result came when its loop was closed already")


def _set(future: _Future, answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
