"""Bodies that are coroutines: awaited, limited, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from tq.contracts.pool import ColdStop
from tq.errors import SoftTimeLimitExceeded


def await_here(value: Any) -> Any:
    """Run a coroutine body on a loop of its own, for engines without one.

    A soft time limit that is raised while the body waits comes out of the loop, and is raised inside the body then.
    """
    raised: list[SoftTimeLimitExceeded] = []
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(_as_coroutine(_Limited(value, lambda: raised[0] if raised else None)))
        try:
            return loop.run_until_complete(task)
        except SoftTimeLimitExceeded as exc:
            if task.done():
                raise
            raised.append(exc)
            task.cancel()
            return loop.run_until_complete(task)


async def within(seconds: float, body: Awaitable[Any]) -> Any:
    """Await a body, and raise its soft time limit inside it."""
    async with asyncio.timeout(seconds) as limit:
        return await _Limited(body, lambda: SoftTimeLimitExceeded(seconds) if limit.expired() else None)


class _Limited:
    """Awaits a body in such a way that it sees `SoftTimeLimitExceeded` where the limit cancels it."""

    def __init__(self, body: Awaitable[Any], over: Callable[[], SoftTimeLimitExceeded | None]) -> None:
        self._body = body
        self._over = over

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._body.__await__()
        thrown: BaseException | None = None
        told = False
        while True:
            try:
                waited_for = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                return end.value
            thrown = None
            try:
                yield waited_for
            except asyncio.CancelledError as cancelled:
                # The limit cancels once; a second time it is somebody else.
                limit = None if told else self._over()
                told = told or limit is not None
                thrown = limit or cancelled


def cancelled_from_outside(exc: BaseException) -> bool:
    """Whether a cold stop ended this body; one that raises CancelledError by itself has failed."""
    if isinstance(exc, ColdStop):
        return True
    task = asyncio.current_task()
    return isinstance(exc, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _as_coroutine(value: Any) -> Any:
    return await value
