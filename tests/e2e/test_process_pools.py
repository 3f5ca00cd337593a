"""Several processes of one pool: they share the work, and the death of one costs nobody anything."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.processes import Ledger, Program, Workers, eventually
from tq import TQ
from tq.errors import WorkerLost

WAIT = 60.0
LINUX = sys.platform == "linux"
LONG_LEASE = 600
"""Seconds: what comes back before was given back by the supervisor."""


def start(workers: Workers, pool: str = "asyncio", processes: int = 2, slots: int = 4) -> Program:
    program = workers.start(
        *("-c", str(slots), "--processes", str(processes)), pool=pool, broker_lease=LONG_LEASE
    )
    program.wait_for(f"all {processes} processes are ready")
    return program


def pid_of(ledger: Ledger, name: str) -> int:
    """Who runs the task of this name."""
    eventually(lambda: ledger.starting(f"start {name} "), f"the task {name}")
    return int(ledger.starting(f"start {name} ")[-1].split()[2])


def run_everywhere(ledger: Ledger, barrier: Path, processes: int) -> set[int]:
    """The process ids of so many tasks that run at the same time, one slot each."""
    results = [tasks.waits.delay(f"place-{number}", str(barrier)) for number in range(processes)]
    pids = {pid_of(ledger, f"place-{number}") for number in range(processes)}
    barrier.touch()
    assert all(result.get(timeout=WAIT)[1] == 1 for result in results)
    return pids


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("pool", ["asyncio", "threads", "gevent"])
@pytest.mark.usefixtures("app")
def test_each_process_runs_tasks_and_all_end_with_the_supervisor(
    workers: Workers, ledger: Ledger, tmp_path: Path, pool: str
) -> None:
    program = start(workers, pool, slots=1)
    pids = run_everywhere(ledger, tmp_path / "go", 2)
    assert len(pids) == 2
    assert program.pid not in pids
    program.stop()
    assert not any(alive(pid) for pid in pids)


def test_what_a_killed_process_held_runs_again_at_once_and_another_takes_its_place(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    program = start(workers)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("crashed", str(barrier))
    os.kill(pid_of(ledger, "crashed"), signal.SIGKILL)
    eventually(lambda: len(ledger.starting("start crashed")) == 2, "the second run")
    barrier.touch()
    assert result.get(timeout=WAIT) == ["crashed", 2]
    program.wait_for(" is ready, reading ", times=3)
    assert "was killed by SIGKILL; another takes its place" in program.output()
    program.stop()
    assert app.broker.stats("celery").ready == 0


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_task_that_kills_its_process_again_and_again_is_a_dead_letter(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    program = start(workers)
    killer = tasks.dies.delay("killer")
    neighbours = [tasks.note.delay(f"neighbour-{number}") for number in range(20)]
    with pytest.raises(WorkerLost):
        killer.get(timeout=WAIT)
    assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 20
    (letter,) = app.broker.dead_letters("celery")
    assert getattr(letter.message, "headers", {})["id"] == killer.id
    assert ledger.counts()["dies killer"] == 3
    program.stop()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_warm_stop_waits_for_all_and_a_second_one_gives_everything_back(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    program = start(workers)
    ends = tasks.waits.delay("ends", str(tmp_path / "go"))
    pid_of(ledger, "ends")
    program.send(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert program.wait() == 0
    assert ends.get(timeout=WAIT) == ["ends", 1]

    program = start(workers)
    tasks.waits.delay("stays", str(tmp_path / "never"))
    pid = pid_of(ledger, "stays")
    program.send(signal.SIGINT)
    program.send(signal.SIGQUIT)
    assert program.wait() == 0
    assert not alive(pid)
    assert app.broker.stats("celery").ready == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("app")
def test_processes_end_with_a_supervisor_that_is_killed(
    workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    program = start(workers, slots=1)
    pids = run_everywhere(ledger, tmp_path / "go", 2)
    program.send(signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids), "the end of the processes")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("pool", "options", "sentence"),
    [
        ("prefork", (), "has a process for each task already"),
        ("solo", (), "runs one task at a time"),
        ("threads", ("--health", "0"), "cannot all answer probes at one address"),
        ("threads", ("--time-limit", "3"), "the threads pool cannot keep time_limit"),
    ],
)
def test_what_does_not_go_with_several_processes_is_refused(
    workers: Workers, pool: str, options: tuple[str, ...], sentence: str
) -> None:
    program = workers.start("--processes", "2", *options, pool=pool, ready=False)
    assert program.wait() == 1
    assert sentence in program.output()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_crew_whose_processes_cannot_start_ends(workers: Workers, tmp_path: Path) -> None:
    # The supervisor's log file has a folder, those of its processes have none.
    (tmp_path / "tq").mkdir()
    log = f"{tmp_path}/%n/log.txt"
    program = workers.start("--processes", "2", "-f", log, pool="threads", ready=False)
    assert program.wait() == 1
    assert "cannot write the log file" in program.output()
    assert "ended with status 1 before it was ready" in program.output()


def alive(pid: int) -> bool:
    """Whether the process runs; the dead that nobody has asked for do not count."""
    try:
        os.kill(pid, 0)
        return not LINUX or Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
