"""From `.delay()` to the result, on every pool of ours and two brokers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Program, Workers, eventually
from tests.services.redis import RedisServer
from tq import TQ
from tq.errors import MaxRetriesExceeded, SoftTimeLimitExceeded

WAIT = 60.0
POOLS = {"solo": (), "prefork": ("-c", "2"), "threads": ("-c", "2")}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("ledger") / "ledger.txt")


@pytest.fixture(scope="module", params=[f"{store}-{pool}" for store in ("sqlite", "redis") for pool in POOLS])
def setting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ledger: Ledger
) -> Iterator[tuple[str, Program, TQ]]:
    """One worker for all tests here; at the end it has to stop cleanly."""
    store, _, pool = request.param.partition("-")
    if store == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store')}/tq.db"
    else:
        server: RedisServer = request.getfixturevalue("shared_redis")
        server.flush()
        url = server.url
    workers = Workers("tests.e2e.tasks", url, url, ledger)
    try:
        program = workers.start(*POOLS[pool], pool=pool, result_extended="true")
        with connected(url, url) as app:
            yield pool, program, app
        program.stop()
    finally:
        workers.close()


@pytest.fixture(autouse=True)
def app(setting: tuple[str, Program, TQ]) -> TQ:
    return setting[2]


def test_delay_leads_to_the_result() -> None:
    results = [tasks.add.delay(number, y=1) for number in range(20)]
    assert [result.get(timeout=WAIT) for result in results] == list(range(1, 21))
    assert results[0].state == "SUCCESS"


def test_a_coroutine_function_is_a_task() -> None:
    results = [tasks.add_later.delay(number, 1) for number in range(5)]
    assert [result.get(timeout=WAIT) for result in results] == [1, 2, 3, 4, 5]


def test_a_countdown_lets_others_pass(ledger: Ledger) -> None:
    later = tasks.note.apply_async(["later"], countdown=1)
    assert tasks.note.delay("sooner").get(timeout=WAIT) == "sooner"
    assert not ledger.has("later") or ledger.lines().index("sooner") < ledger.lines().index("later")
    assert later.get(timeout=WAIT) == "later"


def test_retries_end_in_success_or_in_the_error(ledger: Ledger) -> None:
    assert tasks.flaky.delay(2).get(timeout=WAIT) == 2
    before = len(ledger.starting("hopeless"))
    with pytest.raises(MaxRetriesExceeded):
        tasks.hopeless.delay().get(timeout=WAIT)
    assert ledger.starting("hopeless")[before:] == ["hopeless 0", "hopeless 1", "hopeless 2"]


def test_chosen_errors_are_retried_with_growing_pauses(ledger: Ledger) -> None:
    result = tasks.automatic.delay(3)
    assert result.get(timeout=WAIT) == 3
    moments = [float(line.split()[2]) for line in ledger.starting(f"automatic {result.id}")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert [pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2), strict=True)] == [True] * 3
    with pytest.raises(ConnectionError, match="try again"):
        tasks.automatic.delay(9).get(timeout=WAIT)


def test_started_and_own_states_are_seen_while_it_runs(tmp_path: Path) -> None:
    result = tasks.progress.delay(str(tmp_path / "go"))
    eventually(lambda: result.state == "STARTED", "state STARTED")
    assert set(result.info) == {"pid", "hostname"}
    (tmp_path / "go.1").touch()
    eventually(lambda: result.state == "PROGRESS", "state PROGRESS")
    assert result.info == {"done": 1}
    (tmp_path / "go.2").touch()
    assert result.get(timeout=WAIT) == "all done"


@pytest.mark.parametrize(
    ("how", "value", "told"),
    [
        (
            "succeed",
            "SUCCEED",
            ["before_start succeed", "run succeed", "on_success SUCCEED", "after_return SUCCESS"],
        ),
        (
            "fail",
            None,
            ["before_start fail", "run fail", "on_failure ValueError('as asked')", "after_return FAILURE"],
        ),
        (
            "retry",
            "RETRY",
            [
                *("before_start retry", "run retry", "on_retry retry", "after_return RETRY"),
                *("before_start retry", "run retry", "on_success RETRY", "after_return SUCCESS"),
            ],
        ),
    ],
)
def test_the_handlers_of_a_task_class_are_called_in_order(
    ledger: Ledger, how: str, value: str | None, told: list[str]
) -> None:
    before = len(ledger.lines())
    result = tasks.handled.delay(how)
    assert result.get(timeout=WAIT, propagate=False) == value or result.failed()
    assert ledger.lines()[before:] == told


def test_extended_results_say_what_ran_where() -> None:
    result = tasks.add.delay(1, y=2)
    result.get(timeout=WAIT)
    assert (result.name, list(result.args), result.kwargs) == ("tests.e2e.tasks.add", [1], {"y": 2})
    assert (result.queue, result.retries) == ("celery", 0)
    assert str(result.worker).startswith("tq@")


def test_a_soft_time_limit_is_raised_inside_the_task() -> None:
    assert tasks.soft.delay().get(timeout=WAIT) == "cleaned up"
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.soft_uncaught.delay().get(timeout=WAIT)
    assert tasks.add.delay(1, 1).get(timeout=WAIT) == 2


def test_a_task_runs_in_a_process_of_the_worker(setting: tuple[str, Program, TQ]) -> None:
    pool, program, _ = setting
    found = tasks.pid.delay().get(timeout=WAIT)
    assert (found == program.pid) == (pool != "prefork")
    assert os.getpgid(found) == program.pid
