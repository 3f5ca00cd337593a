"""Chords whose workers die."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.faults.app import count_up, member
from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import KINDS
from tq import ChordError, chord

BODY = 0.02


def chords(stage: Stage, size: Size, title: str) -> Row:
    """Many chords, and workers that die whole in their midst: each body runs once, with all results, or ends with an
    error that names a member."""
    many, members = max(5, size.tasks // 10), max(10, size.tasks // 40)
    workers = [stage.worker(worker_max_attempts=100), stage.worker(worker_max_attempts=100)]
    sent = [chord([member.s(BODY, number) for number in range(members)])(count_up.s()) for _ in range(many)]
    for number in range(1, size.kills + 1):
        stage.ended(number * many * members // (size.kills + 2))
        victim = workers.pop(0)
        stage.fault()
        victim.kill()
        workers.append(stage.worker(worker_max_attempts=100))
    ids = [each.id for result in sent for each in (*result.parent.results, result)]
    row = stage.row(title, ids)
    ends = Counter(_end_of(result, sum(range(members))) for result in sent)
    stage.require(set(ends) <= {"sum", "named"}, f"chords that ended otherwise: {dict(ends)}")
    stage.notes.append(
        f"{many} chords of {members}: {ends['sum']} with their sum, {ends['named']} with an error"
    )
    return row


def _end_of(result: Any, wanted: int) -> str:
    try:
        value = result.get(timeout=60)
    except ChordError as exc:
        return "named" if any(each.id in str(exc) for each in result.parent.results) else f"unnamed: {exc}"
    return "sum" if value == wanted else f"wrong: {value}"


SCENARIOS = (Scenario("SIGKILL of workers during chords", chords, KINDS, short=("redis",)),)
