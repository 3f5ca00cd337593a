"""A Celery worker and a tq worker share one queue, filled by clients of both kinds."""

from __future__ import annotations

from collections.abc import Sequence

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.processes import Ledger, Workers, eventually
from tq import TQ

EACH = 250
SLOW_EVERY = 10


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
