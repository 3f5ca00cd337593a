"""Every kind of store behind a whole system: a worker is killed in the middle of a chord, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers, eventually
from tq import TQ, chord

WAIT = 120.0


@pytest.fixture(params=["filesystem", "mongodb", "memcached"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Broker and result backend. memcached keeps results alone."""
    if request.param == "filesystem":
        return f"filesystem://{tmp_path}/queue", f"file://{tmp_path}/results"
    if request.param == "mongodb":
        url: str = request.getfixturevalue("mongodb_url")
        return url, url
    results: str = request.getfixturevalue("memcached_url")
    return f"sqlite:///{tmp_path}/tq.db", results.replace("memcache://", "cache+memcached://")


@pytest.fixture
def app(stores: tuple[str, str]) -> Iterator[TQ]:
    """The client's side of `tests.e2e.tasks`."""
    with connected(*stores, publish_timeout=60.0) as ready:
        yield ready


@pytest.fixture
def workers(stores: tuple[str, str], ledger: Ledger) -> Iterator[Workers]:
    """Starts workers, and ends them whatever happens."""
    started = Workers("tests.e2e.tasks", *stores, ledger)
    yield started
    started.close()


def test_a_chord_whose_worker_is_killed_is_finished_by_another_one(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    first = workers.start("-c", "1", pool="prefork", broker_lease=2)
    barrier = tmp_path / "go"
    before = [tasks.note.delay(f"before-{number}") for number in range(20)]
    assert len({each.get(timeout=WAIT) for each in before}) == 20
    members = [tasks.waits.s("crashed", str(barrier)), *(tasks.add.s(number, number) for number in range(10))]
    result = chord(members)(tasks.echo.s())
    eventually(lambda: ledger.starting("start crashed "), "the member to start")
    first.kill()
    second = workers.start("-c", "2", pool="prefork", broker_lease=2)
    eventually(lambda: len(ledger.starting("start crashed ")) == 2, "the second run", seconds=60)
    barrier.touch()
    (name, attempt), *sums = result.get(timeout=WAIT)
    # A worker that dies before it could say what runs is charged for the first of its batch alone.
    assert (name, sums) == ("crashed", [2 * number for number in range(10)])
    assert attempt in (1, 2)
    second.stop()
    assert ledger.counts()["end crashed"] == 1
    assert all(ledger.counts()[f"before-{number}"] == 1 for number in range(20))
