"""Chords whose workers are killed: every one ends, and no body runs for nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from tests.canvas import tasks
from tests.processes import Ledger, Program, Workers
from tq import TQ, ChordError, chord

CHORDS, MEMBERS = 30, 20


@pytest.fixture
def app(url: str) -> Iterator[TQ]:
    tasks.app.close()
    tasks.app.conf.update(broker_url=url, result_backend=url)
    yield tasks.app
    tasks.app.close()


@pytest.fixture
def workers(url: str, ledger: Ledger) -> Iterator[Workers]:
    started = Workers("tests.canvas.tasks", url, url, ledger)
    yield started
    started.close()


def start(workers: Workers) -> Program:
    return workers.start("-c", "2", pool="prefork", broker_lease=2, worker_max_attempts=50)


def test_every_chord_ends_with_its_sum_though_workers_are_killed(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    running = [start(workers), start(workers)]
    sent = [
        chord([tasks.member.s(number, at) for at in range(MEMBERS)])(tasks.body.s(number))
        for number in range(CHORDS)
    ]
    dice = random.Random(5)
    for _ in range(4):
        time.sleep(dice.uniform(0.2, 0.6))
        running.pop(0).kill()
        running.append(start(workers))
    assert ledger.lines(), "nothing ran before the kills"
    expected = [[number, sum(range(MEMBERS))] for number in range(CHORDS)]
    assert [result.get(timeout=60) for result in sent] == expected


def test_a_member_that_kills_its_workers_ends_the_chord_with_its_name(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    workers.start("-c", "1", pool="prefork", broker_lease=2, worker_max_attempts=2)
    members = [tasks.member.s(1, 1), tasks.killer.s(2)]
    sent = chord(members)(tasks.body.s(7).on_error(tasks.told.s()))
    with pytest.raises(ChordError, match=rf"Dependency {sent.parent[1].id} raised WorkerLostError"):
        sent.get(timeout=60)
    assert ledger.has(f"told {sent.id} ChordError")
    assert not ledger.has("body 7")


def test_a_member_that_runs_into_its_time_limit_ends_the_chord(app: TQ, workers: Workers) -> None:
    workers.start("-c", "1", pool="prefork")
    members = [tasks.member.s(1, 1), tasks.forgetful.s(2).set(time_limit=0.5)]
    sent = chord(members)(tasks.body.s(7))
    with pytest.raises(ChordError, match=rf"Dependency {sent.parent[1].id} raised TimeLimitExceeded"):
        sent.get(timeout=60)
