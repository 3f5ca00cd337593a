"""A Celery worker and a tq worker share one queue, filled by clients of both kinds."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.processes import Ledger, Workers, eventually
from tq import TQ

EACH = 250


def expected() -> list[str]:
    return [f"from-{client} {number}" for client in ("tq", "celery") for number in range(EACH)]


def test_500_messages_run_once_each_and_both_clients_read_all_results(
    celery: CeleryClient, tq: TQ, workers: Workers, start_celery: StartCelery, ledger: Ledger
) -> None:
    ours = workers.start("-c", "2", pool="prefork")
    theirs = start_celery("prefork", "-c", "2")
    sent: list[tuple[str, str]] = []
    for number in range(EACH):
        sent.append((f"from-tq {number}", tq.send_task("shop.note", ["from-tq", number]).id))
        sent.append((f"from-celery {number}", celery.send("shop.note", ["from-celery", number])))
    eventually(lambda: len(ledger.starting("from-")) >= 2 * EACH, "all messages")
    assert [tq.AsyncResult(task_id).get(timeout=60) for _, task_id in sent] == [line for line, _ in sent]
    assert [celery.outcome(task_id)["value"] for _, task_id in sent] == [line for line, _ in sent]
    theirs.stop()
    ours.stop()
    counts = {line: count for line, count in ledger.counts().items() if line.startswith("from-")}
    assert counts == dict.fromkeys(expected(), 1)
    took_part(ours.output(), theirs.output())


def took_part(*outputs: Sequence[str]) -> None:
    shares = [str(output).count("shop.note[") for output in outputs]
    assert min(shares) > 0, f"one worker did everything: {shares}"


def test_what_a_celery_worker_puts_back_when_it_stops_is_run_by_tq(
    celery: CeleryClient, workers: Workers, start_celery: StartCelery, ledger: Ledger, tmp_path: Path
) -> None:
    theirs = start_celery("solo")
    barrier = tmp_path / "running"
    barrier.touch()
    held = celery.send("shop.hold", [str(barrier)])
    eventually(lambda: ledger.has("held"), "the first task")
    waiting = [celery.send("shop.note", ["put-back", number]) for number in range(3)]
    theirs.send(signal.SIGTERM)
    theirs.wait_for("Warm shutdown")
    barrier.unlink()
    assert theirs.wait() == 0
    ours = workers.start()
    assert [celery.outcome(task_id)["value"] for task_id in waiting] == [f"put-back {n}" for n in range(3)]
    assert celery.outcome(held)["value"] == "released"
    ours.stop()
    assert all(ledger.counts()[f"put-back {number}"] == 1 for number in range(3))


def test_what_a_tq_worker_hands_back_when_it_stops_is_run_by_celery(
    tq: TQ, workers: Workers, start_celery: StartCelery, ledger: Ledger, tmp_path: Path
) -> None:
    ours = workers.start("-c", "1", pool="prefork")
    barrier = tmp_path / "running"
    barrier.touch()
    before = ledger.counts()["held"]
    held = tq.send_task("shop.hold", [str(barrier)])
    eventually(lambda: ledger.counts()["held"] == before + 1, "the first task")
    waiting = [tq.send_task("shop.note", ["handed-back", number]) for number in range(3)]
    ours.send(signal.SIGQUIT)
    assert ours.wait() == 0
    barrier.unlink()
    theirs = start_celery("solo")
    assert [result.get(timeout=60) for result in waiting] == [f"handed-back {n}" for n in range(3)]
    assert held.get(timeout=60) == "released"
    theirs.stop()
    assert ledger.counts()["held"] == before + 2


def test_a_delay_that_tq_keeps_is_over_when_either_worker_gets_the_message(
    tq: TQ, workers: Workers, start_celery: StartCelery
) -> None:
    theirs = start_celery("solo")
    ours = workers.start()
    sent = time.time()
    later = [tq.send_task("shop.started_at", countdown=1) for _ in range(20)]
    assert min(result.get(timeout=60) for result in later) >= sent + 1
    theirs.stop()
    ours.stop()
