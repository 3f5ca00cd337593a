"""Broadcasts between the two: every worker of either kind runs what a client of either kind sends, once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery, on_each_broker
from tests.processes import Ledger, NotInTime, Program, Workers, eventually
from tq import TQ, Broadcast, Queue

pytestmark = on_each_broker
NEWS = "broadcast_tasks"
QUEUES = json.dumps([{"name": "ours"}, {"name": NEWS, "broadcast": True}])


@pytest.fixture(scope="module", autouse=True)
def declared() -> Iterator[None]:
    """Has Celery's client and workers declare it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQ_TEST_BROADCAST", NEWS)
        yield


def test_every_worker_of_either_kind_runs_what_either_client_broadcasts_once(
    url: str, celery: CeleryClient, tq: TQ, workers: Workers, start_celery: StartCelery, ledger: Ledger
) -> None:
    tq.conf.task_queues = (Queue("celery"), Broadcast(NEWS))
    fleet = [
        workers.start("-c", "2", "-n", "children", pool="prefork", task_queues=QUEUES),
        workers.start("-c", "2", "-n", "threads", pool="threads", task_queues=QUEUES),
        start_celery("prefork", "-c", "2"),
    ]
    listening(celery, fleet)
    # A worker that loses its line for a moment misses what is said then, so it is said up to three times.
    assert any(all_heard(celery, tq, ledger, fleet, f"{url.partition(':')[0]}-{turn}") for turn in range(3))
    for worker in fleet:
        worker.stop()


def listening(celery: CeleryClient, fleet: list[Program]) -> None:
    """Celery's workers say that they are ready before Redis has their subscription."""

    def heard() -> bool:
        celery.broadcast(NEWS, "shop.echo", ["hello"])
        return all("shop.echo[" in worker.output() for worker in fleet)

    eventually(heard, "all workers listen", every=0.5)


def all_heard(celery: CeleryClient, tq: TQ, ledger: Ledger, fleet: list[Program], news: str) -> bool:
    """Whether all workers ran all that was sent; none may run it more than once."""
    note = tq.signature("shop.note", args=[news]).set(queue=NEWS)
    ids = [
        celery.broadcast(NEWS, "shop.note", [news, 1]),
        celery.broadcast(NEWS, "shop.note", [news, 2], countdown=0.5),
        tq.send_task("shop.note", [news, 3], queue=NEWS, exchange=NEWS).id,
        tq.send_task("shop.note", [news, 4], queue=NEWS, countdown=0.5).id,
        tq.send_task("shop.echo", [5], queue="ours", link=note).id,
    ]
    lines = [f"{news} 1", f"{news} 2", f"{news} 3", f"{news} 4", f"5 {news}"]
    try:
        eventually(lambda: all(ledger.counts()[line] >= len(fleet) for line in lines), "all", seconds=30)
    except NotInTime:
        heard = False
    else:
        heard = True
        assert celery.outcome(ids[0])["value"] == f"{news} 1"
        assert tq.AsyncResult(ids[2]).get(timeout=60) == f"{news} 3"
    for task_id in ids[:4]:
        assert max(worker.output().count(f"shop.note[{task_id}] received") for worker in fleet) <= 1
    assert max(ledger.counts()[line] for line in lines) <= len(fleet)
    return heard
