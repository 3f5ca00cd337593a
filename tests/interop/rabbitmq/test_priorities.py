"""Priorities between the two: the server's own, on queues that both sides make alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.processes import Ledger, Workers, eventually
from tests.services.rabbitmq import RabbitmqServer
from tq import TQ

MOST = 9
SENT = (5, 1, 9, 3)


@pytest.fixture(scope="module")
def vhost_url(shared_rabbitmq: RabbitmqServer) -> Iterator[str]:
    """A virtual host whose queues have priorities for Celery as well."""
    name = shared_rabbitmq.new_vhost()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQ_TEST_MAX_PRIORITY", str(MOST))
        yield shared_rabbitmq.url_of(name)
    shared_rabbitmq.drop_vhost(name)


@pytest.fixture(scope="module")
def celery(celery_python: Path, vhost_url: str) -> Iterator[CeleryClient]:
    """A Celery client of its own."""
    client = CeleryClient(celery_python, vhost_url, "rpc://")
    yield client
    client.close()


def test_a_tq_worker_runs_what_a_celery_client_sent_in_the_order_of_its_priorities(
    celery: CeleryClient, workers: Workers, ledger: Ledger
) -> None:
    for priority in SENT:
        celery.send("shop.note", ["from-celery", priority], priority=priority)
    worker = workers.start(task_queue_max_priority=MOST)
    eventually(lambda: len(ledger.starting("from-celery")) == len(SENT), "all tasks")
    assert ledger.starting("from-celery") == [f"from-celery {each}" for each in sorted(SENT, reverse=True)]
    worker.stop()


def test_a_celery_worker_runs_what_a_tq_client_sent_in_the_order_of_its_priorities(
    url: str, start_celery: StartCelery, ledger: Ledger
) -> None:
    with TQ("ranked", broker=url, task_queue_max_priority=MOST, set_as_current=False) as app:
        for priority in SENT:
            app.send_task("shop.note", ["from-tq", priority], priority=priority)
        worker = start_celery("solo")
        eventually(lambda: len(ledger.starting("from-tq")) == len(SENT), "all tasks")
    assert ledger.starting("from-tq") == [f"from-tq {each}" for each in sorted(SENT, reverse=True)]
    worker.stop()
