"""Calls and results between Celery and tq, in both directions, through queues that either side may make first."""

from __future__ import annotations

import datetime as dt
import time

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.interop.values import SAME, same
from tests.processes import Ledger, Workers, eventually
from tq import TQ

WAIT = 60.0


def test_celery_calls_tq_and_gets_values_and_errors(celery: CeleryClient, workers: Workers) -> None:
    worker = workers.start()
    value = celery.send("shop.add", [2, 3])
    wrong = celery.send("shop.add", [2])
    unknown = celery.send("shop.no_such_task")
    assert celery.outcome(value) == {"state": "SUCCESS", "traceback": None, "value": 5}
    assert celery.outcome(wrong)["class"] == "TypeError"
    assert celery.outcome(unknown)["class"] == "NotRegistered"
    ids = [celery.send("shop.echo", [each]) for each in SAME]
    received = [celery.outcome(task_id)["value"] for task_id in ids]
    assert [pair for pair in zip(SAME, received, strict=True) if not same(*pair)] == []
    worker.stop()


def test_celerys_countdowns_callbacks_and_chains_are_kept_by_tq(
    celery: CeleryClient, workers: Workers, ledger: Ledger
) -> None:
    worker = workers.start("-c", "2", pool="prefork")
    sent = time.time()
    late = celery.send("shop.started_at", countdown=1.5)
    linked = celery.send("shop.add", [2, 3], link=("shop.note", ["linked"]))
    *_, last = celery.chain(("shop.add", [1, 1]), ("shop.add", [5]))
    assert celery.outcome(late)["value"] >= sent + 1.5
    assert celery.outcome(linked)["value"] == 5
    eventually(lambda: ledger.has("5 linked"), "the callback's line")
    assert celery.outcome(last)["value"] == 7
    worker.stop()


def test_tq_calls_celery_and_gets_values_errors_and_chains(tq: TQ, start_celery: StartCelery) -> None:
    worker = start_celery("solo")
    assert tq.send_task("shop.add", [2, 3]).get(timeout=WAIT) == 5
    error = tq.send_task("shop.add", [2]).get(timeout=WAIT, propagate=False)
    assert isinstance(error, TypeError)
    results = [tq.send_task("shop.echo", [value]) for value in SAME]
    received = [result.get(timeout=WAIT) for result in results]
    assert [pair for pair in zip(SAME, received, strict=True) if not same(*pair)] == []
    started = tq.send_task("shop.started_at", countdown=1.5)
    sent = time.time()
    assert started.get(timeout=WAIT) >= sent + 1.4
    worker.stop()


def test_tq_calls_tq_and_follow_ups_answer_to_the_caller(tq: TQ, workers: Workers) -> None:
    worker = workers.start("-c", "2", pool="prefork")
    chained = (tq.signature("shop.add", args=(1, 1)) | tq.signature("shop.add", args=(5,))).apply_async()
    assert chained.get(timeout=WAIT) == 7
    assert chained.parent.get(timeout=WAIT) == 2
    worker.stop()


def test_workers_of_both_kinds_share_a_queue_and_each_message_runs_once(
    celery: CeleryClient, tq: TQ, workers: Workers, start_celery: StartCelery, ledger: Ledger
) -> None:
    theirs = start_celery("solo")
    ours = workers.start()
    mine = [tq.send_task("shop.note", ["from-tq", number]) for number in range(60)]
    other = [celery.send("shop.note", ["from-celery", number]) for number in range(60)]
    assert [result.get(timeout=WAIT) for result in mine] == [f"from-tq {number}" for number in range(60)]
    values = [celery.outcome(task_id)["value"] for task_id in other]
    assert values == [f"from-celery {number}" for number in range(60)]
    theirs.stop()
    ours.stop()
    assert set(ledger.counts().values()) == {1}


def test_workers_of_both_kinds_wait_for_an_eta_and_retry_what_either_client_sent(
    celery: CeleryClient, tq: TQ, workers: Workers, start_celery: StartCelery
) -> None:
    theirs = start_celery("solo")
    ours = workers.start()
    eta = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    mine = [tq.send_task("shop.started_at", eta=eta) for _ in range(6)]
    other = [celery.send("shop.started_at", eta=eta) for _ in range(6)]
    flaky = [tq.send_task("shop.flaky", [2, 0.2]) for _ in range(6)]
    moody = [celery.send("shop.flaky", [2, 0.2]) for _ in range(6)]
    assert all(result.get(timeout=WAIT) >= eta.timestamp() for result in mine)
    assert all(celery.outcome(task_id)["value"] >= eta.timestamp() for task_id in other)
    assert [result.get(timeout=WAIT) for result in flaky] == [2] * 6
    assert [celery.outcome(task_id)["value"] for task_id in moody] == [2] * 6
    theirs.stop()
    ours.stop()
