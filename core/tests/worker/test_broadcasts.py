"""Broadcasts over the memory broker: each worker runs each task once, whoever sends it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from core.tests.worker.workshop import until
from tq import TQ, Broadcast, Queue
from tq.app.relaying import own_queue
from tq.app.work import WorkerOptions, broadcasts_of, make_worker, queues_of
from tq.brokers.memory import MemoryBroker
from tq.contracts.broker import Cap
from tq.errors import BrokerUnavailable, ImproperlyConfigured, InvalidTask
from tq.records import Envelope, Message
from tq.wire.ids import new_id
from tq.worker.worker import Worker

NEWS = "news"
NODES = ("one@here", "two@here")
Runs = Counter[tuple[str, Any]]


@pytest.fixture
def app() -> Iterator[TQ]:
    url = f"memory://{new_id()}"
    made = TQ("shop", broker=url, backend=url, set_as_current=False)
    made.conf.task_queues = (Queue("celery"), Broadcast(NEWS))
    made.conf.task_routes = {"shop.hear": {"queue": NEWS, "exchange": NEWS}}
    yield made
    made.close()
    MemoryBroker.reset(url.partition("://")[2])


@pytest.fixture
def runs(app: TQ) -> Runs:
    """How often each node ran what; `shop.hear` is tried twice where it is told to."""
    found: Runs = Counter()

    @app.task(name="shop.hear", bind=True)
    def hear(self: Any, what: Any, tries: int = 1) -> Any:
        found[self.request.hostname, what] += 1
        if self.request.retries + 1 < tries:
            raise self.retry(countdown=0)
        return what

    @app.task(name="shop.quiet")
    def quiet(what: Any) -> Any:
        return what

    return found


@contextmanager
def at_work(app: TQ, node: str, **options: Any) -> Iterator[Worker]:
    worker = make_worker(app, WorkerOptions(hostname=node, pool="threads", concurrency=2, **options))
    thread = threading.Thread(target=worker.run, kwargs={"install_signals": False})
    thread.start()
    try:
        until(lambda: app.control.ping(destination=[node], timeout=0.2))
        yield worker
    finally:
        worker.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def workers(app: TQ, runs: Runs) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        yield [stack.enter_context(at_work(app, node)) for node in NODES]


@pytest.mark.parametrize(
    "send",
    [
        lambda app: app.tasks["shop.hear"].delay("x"),
        lambda app: app.send_task("shop.hear", ["x"], countdown=0.2),
        lambda app: app.tasks["shop.quiet"].apply_async(["x"], link=app.tasks["shop.hear"].s()),
        lambda app: (app.tasks["shop.quiet"].s("x") | app.tasks["shop.hear"].s()).delay(),
    ],
    ids=["call", "countdown", "callback", "chain"],
)
def test_each_worker_runs_it_once(
    app: TQ, runs: Runs, workers: Sequence[Worker], send: Callable[[TQ], Any]
) -> None:
    sent = send(app)
    until(lambda: runs == dict.fromkeys([(node, "x") for node in NODES], 1))
    assert sent.get(timeout=30) == "x"
    app.tasks["shop.hear"].delay("last").get(timeout=30)
    until(lambda: runs["one@here", "last"] and runs["two@here", "last"])
    assert set(runs.values()) == {1}


def test_a_retry_stays_with_the_worker_that_asks_for_it(
    app: TQ, runs: Runs, workers: Sequence[Worker]
) -> None:
    app.tasks["shop.hear"].delay("x", tries=3)
    until(lambda: runs == dict.fromkeys([(node, "x") for node in NODES], 3))


def test_only_those_hear_it_who_read_it(app: TQ, runs: Runs) -> None:
    with at_work(app, NODES[0], queues=[NEWS]), at_work(app, NODES[1], queues=["celery"]) as other:
        assert other.queues == ("celery",)
        app.tasks["shop.hear"].delay("x").get(timeout=30)
        assert app.send_task("shop.quiet", ["y"]).get(timeout=30) == "y"
    assert runs == {(NODES[0], "x"): 1}


def test_a_running_worker_does_not_begin_to_listen(app: TQ) -> None:
    with at_work(app, NODES[0], queues=["celery"]):
        replies = app.control.add_consumer(NEWS, destination=[NODES[0]], reply=True, timeout=30, limit=1)
    (reply,) = replies or []
    assert "is a broadcast" in reply[NODES[0]]["error"]


def test_a_worker_reads_a_queue_of_its_own_that_ends_with_it(app: TQ, runs: Runs) -> None:
    app.tasks["shop.hear"].delay("nobody hears this")
    with at_work(app, NODES[0]) as worker:
        shared, own = worker.queues
        assert (shared, own.startswith("bcast.")) == ("celery", True)
        late = Message({"id": new_id(), "task": "shop.hear"}, {}, b"[[1], {}, {}]")
        assert list(app.broker.publish([Envelope(late, own, delay=3600.0)], timeout=5)) == [None]
    assert app.broker.stats(own).delayed == 0
    assert not runs


def test_commands_that_look_at_queues_leave_broadcasts_out(app: TQ) -> None:
    assert queues_of(app, WorkerOptions()) == ("celery",)
    assert broadcasts_of(app, WorkerOptions()) == (NEWS,)
    assert broadcasts_of(app, WorkerOptions(queues=["celery"])) == ()


def test_what_was_heard_waits_while_the_broker_takes_nothing(
    app: TQ, runs: Runs, workers: Sequence[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    publish = MemoryBroker.publish

    def fails(self: MemoryBroker, batch: Sequence[Envelope], *, timeout: float) -> Any:
        if len(refused) < 4 and any(each.queue.startswith("bcast.") for each in batch):
            refused.append(batch[0].queue)
            raise BrokerUnavailable("away", url=self.url)
        return publish(self, batch, timeout=timeout)

    monkeypatch.setattr(MemoryBroker, "publish", fails)
    app.tasks["shop.hear"].delay("x")
    until(lambda: runs == dict.fromkeys([(node, "x") for node in NODES], 1))
    assert len(refused) == 4


def test_bytes_that_are_no_message_stop_nobody(
    app: TQ, runs: Runs, workers: Sequence[Worker], caplog: pytest.LogCaptureFixture
) -> None:
    store = app.broker._store  # type: ignore[attr-defined]
    with store.lock, caplog.at_level(logging.WARNING):
        for ear in store.listeners._ears[NEWS]:
            ear.waiting.append((b"\xff", ""))
    app.tasks["shop.hear"].delay("x")
    until(lambda: runs == dict.fromkeys([(node, "x") for node in NODES], 1))
    assert "a broadcast of news is no message" in caplog.text


def test_a_broker_that_cannot_broadcast_says_so_at_the_start_and_to_who_sends(
    app: TQ, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryBroker, "capabilities", MemoryBroker.capabilities & ~Cap.BROADCAST)
    for attempt in (app.tasks["shop.hear"].delay, lambda what: make_worker(app, WorkerOptions(pool="solo"))):
        with pytest.raises(ImproperlyConfigured, match="queue 'news' is a broadcast, and memory://.* cannot"):
            attempt("x")
    assert make_worker(app, WorkerOptions(pool="solo", queues=["celery"])).queues == ("celery",)


def test_a_broadcast_cannot_be_unique(app: TQ, runs: Runs) -> None:
    with pytest.raises(InvalidTask, match="goes to all its workers, so unique_for cannot work"):
        app.tasks["shop.hear"].apply_async(["x"], unique_for=60)


def test_two_workers_never_have_one_queue(app: TQ) -> None:
    assert own_queue(app) != own_queue(app)
