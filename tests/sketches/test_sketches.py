"""The pools that are still to come fit the contract as it is."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.sketches.asyncio_pool import AsyncioPool
from tests.sketches.workshop import Workshop, until
from tq.contracts.pool import StopMode

ROOT = Path(__file__).parents[2]


class Running:
    """A pool at work on a thread of its own."""

    def __init__(self, workshop: Workshop) -> None:
        self.pool = AsyncioPool(workshop)
        self.thread = threading.Thread(target=self.pool.run)
        self.thread.start()

    def stop(self, mode: StopMode) -> None:
        self.pool.stop(mode)
        self.thread.join(5)
        assert not self.thread.is_alive()


def test_an_asyncio_pool_runs_coroutines_on_one_loop_and_plain_bodies_in_threads() -> None:
    here: list[int] = []
    meeting = threading.Barrier(2)

    async def coroutine() -> int:
        here.append(threading.get_ident())
        while len(here) < 2:
            await asyncio.sleep(0.001)
        return threading.get_ident()

    workshop = Workshop(coroutine, coroutine, lambda: meeting.wait(5), lambda: meeting.wait(5), concurrency=4)
    running = Running(workshop)
    until(lambda: len(workshop.engine.outcomes) == 4)
    running.stop(StopMode.WARM)
    outcomes = workshop.engine.outcomes
    assert outcomes[0] == outcomes[1] != running.thread.ident
    assert {outcomes[2], outcomes[3]} == {0, 1}


def test_an_asyncio_pool_keeps_the_soft_limit_of_a_coroutine() -> None:
    workshop = Workshop(_sleep_long, soft_time_limit=0.05)
    running = Running(workshop)
    until(lambda: workshop.engine.outcomes)
    running.stop(StopMode.WARM)
    assert isinstance(workshop.engine.outcomes[0], TimeoutError)


def test_an_asyncio_pool_gives_back_its_coroutines_at_a_cold_stop() -> None:
    workshop = Workshop(_sleep_long, _sleep_long, concurrency=1)
    running = Running(workshop)
    until(lambda: running.pool.seats()[0].receipt == 0)
    running.stop(StopMode.COLD)
    assert workshop.engine.given_back == [0, 1]
    assert workshop.engine.outcomes == {}
    assert running.pool.seats()[0].receipt == -1


async def _sleep_long() -> None:
    await asyncio.sleep(60)


def run_program(program: str, package: str, name: str) -> Any:
    """What `program` prints about that pool; monkey-patching needs a process of its own."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install {package}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.sketches.{program}", f"{package}_pool", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " failed: " not in done.stderr, "a body that is given back has not failed"
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("package", "name"), [("gevent", "GeventPool"), ("eventlet", "EventletPool")], ids=["gevent", "eventlet"]
)
def test_greenlets_fit_the_contract(package: str, name: str) -> None:
    seen = run_program("green_program", package, name)
    assert [seen["warm"][key] for key in "012"] == ["'met'"] * 3
    assert "SoftTimeLimitExceeded" in seen["warm"]["3"]
    assert seen["greenlets"] == 3
    assert seen["given_back"] == [0, 1]
    assert seen["cold_outcomes"] == {}
    assert seen["cold_seconds"] < 5, "a body of 30 s was not waited for"
    assert seen["receipts"] == [-1]


@pytest.mark.parametrize(
    ("package", "name"),
    [("asyncio", "AsyncioPool"), ("gevent", "GeventPool"), ("eventlet", "EventletPool")],
    ids=["asyncio", "gevent", "eventlet"],
)
def test_the_worker_of_the_core_runs_on_a_sketched_pool(package: str, name: str) -> None:
    seen = run_program("real_program", package, name)
    assert seen["met"] == [0, 1, 2]
    assert seen["cold_seconds"] < 5, "a body of 60 s was not waited for"
    assert seen["waiting"] == 1, "it was given back"
