"""Priorities between the two: the same four lists, read in the order that each side's workers document."""

from __future__ import annotations

from pathlib import Path

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.processes import Ledger, Workers, eventually
from tq import TQ


def test_a_tq_worker_reads_celerys_lists_in_celerys_order(
    celery: CeleryClient, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    worker = workers.start(pool="solo")
    barrier = tmp_path / "running"
    barrier.touch()
    celery.send("shop.hold", [str(barrier)])
    eventually(lambda: ledger.has("held"), "the first task")
    for priority in (9, 3, 0, 6):
        celery.send("shop.note", ["from-celery", priority], priority=priority)
    barrier.unlink()
    eventually(lambda: len(ledger.starting("from-celery")) == 4, "all tasks")
    assert ledger.starting("from-celery") == [f"from-celery {priority}" for priority in (0, 3, 6, 9)]
    worker.stop()


def test_a_celery_worker_reads_tqs_priorities_in_celerys_order(
    url: str, start_celery: StartCelery, ledger: Ledger
) -> None:
    with TQ(
        "fleet",
        broker=url,
        backend=url,
        broker_transport_options={"celery_workers": True},
        set_as_current=False,
    ) as app:
        for priority in (9, 3, 0, 6):
            app.send_task("shop.note", ["from-tq", priority], priority=priority)
        # One at a time, or the order is that of the children.
        worker = start_celery("solo")
        eventually(lambda: len(ledger.starting("from-tq")) == 4, "all tasks")
    assert ledger.starting("from-tq") == [f"from-tq {priority}" for priority in (0, 3, 6, 9)]
    worker.stop()
