"""The core's own worker on this pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.pools.workshop import until
from tq import TQ, SoftTimeLimitExceeded, TaskRevoked
from tq.app.work import WorkerOptions, make_worker
from tq.contracts.pool import StopMode
from tq.worker.worker import Worker

WAIT = 30.0


@pytest.fixture
def app() -> Iterator[TQ]:
    made = TQ("coroutines", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield made
    made.close()


def start(app: TQ) -> tuple[Worker, threading.Thread]:
    made = make_worker(app, WorkerOptions(pool="asyncio", concurrency=50))
    thread = threading.Thread(target=made.run, kwargs={"install_signals": False}, daemon=True)
    thread.start()
    return made, thread


def stop(running: tuple[Worker, threading.Thread], mode: StopMode) -> None:
    running[0].stop(mode)
    running[1].join(WAIT)
    assert not running[1].is_alive(), "the worker did not stop"


def test_tasks_of_both_kinds_run_and_end(app: TQ) -> None:
    most = [0, 0]

    @app.task
    async def overlap(number: int) -> int:
        most[0] += 1
        most[1] = max(most)
        while most[1] < 20:
            await asyncio.sleep(0.005)
        most[0] -= 1
        return number

    @app.task
    def plain(number: int) -> int:
        return -number

    running = start(app)
    results = [overlap.delay(number) for number in range(20)]
    plains = [plain.delay(number) for number in range(20)]
    assert [result.get(timeout=WAIT) for result in results] == list(range(20))
    assert [result.get(timeout=WAIT) for result in plains] == [-number for number in range(20)]
    stop(running, StopMode.WARM)


def test_a_revoked_coroutine_is_ended_and_stored_as_revoked(app: TQ) -> None:
    seen: list[str] = []

    @app.task
    async def endless() -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    @app.task
    async def other() -> str:
        return "runs on"

    running = start(app)
    result = endless.delay()
    until(lambda: any(seat.receipt >= 0 for seat in running[0].pool.seats()), WAIT)
    result.revoke(terminate=True)
    with pytest.raises(TaskRevoked, match="terminated"):
        result.get(timeout=WAIT)
    assert result.state == "REVOKED"
    assert seen == ["cancelled"]
    assert other.delay().get(timeout=WAIT) == "runs on"
    stop(running, StopMode.WARM)
    assert app.broker.stats(app.conf.task_default_queue).ready == 0, "it did not go back"


async def exit_in_a_child() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    await asyncio.gather(leave())


async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()
    raise ValueError("stopped")


async def cancel_itself() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await asyncio.sleep(0)


@pytest.mark.parametrize("body", [exit_in_a_child, stop_the_loop, cancel_itself])
def test_a_coroutine_that_would_end_its_loop_or_cancels_itself_fails_once_and_alone(
    app: TQ, body: Callable[[], Awaitable[None]]
) -> None:
    bad = app.task(body)

    @app.task
    async def other() -> str:
        return "runs on"

    running = start(app)
    result = bad.delay()
    result.get(timeout=WAIT, propagate=False)
    assert result.state == "FAILURE"
    assert other.delay().get(timeout=WAIT) == "runs on"
    stop(running, StopMode.WARM)


def test_a_coroutine_can_catch_its_soft_limit(app: TQ) -> None:
    @app.task(soft_time_limit=0.05)
    async def tidy() -> str:
        try:
            await asyncio.sleep(600)
        except SoftTimeLimitExceeded:
            return "tidied up"
        return "never"

    running = start(app)
    assert tidy.delay().get(timeout=WAIT) == "tidied up"
    stop(running, StopMode.WARM)


def test_what_a_cold_stop_cuts_short_goes_back(app: TQ) -> None:
    @app.task
    async def endless() -> None:
        await asyncio.sleep(600)

    running = start(app)
    endless.delay()
    until(lambda: any(seat.receipt >= 0 for seat in running[0].pool.seats()), WAIT)
    stop(running, StopMode.COLD)
    assert app.broker.stats(app.conf.task_default_queue).ready == 1
