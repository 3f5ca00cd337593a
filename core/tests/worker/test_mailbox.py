"""Remote control from both ends over the memory broker: replies, who is meant, and what cannot hurt a worker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tq import TQ
from tq.app.work import WorkerOptions, make_worker
from tq.brokers.memory import MemoryBroker
from tq.contracts.broker import Cap
from tq.contracts.pool import StopMode
from tq.errors import ImproperlyConfigured
from tq.records import Channel, Message, Notice
from tq.testing.waiting import eventually
from tq.wire.ids import new_id
from tq.wire.json import JsonSerializer
from tq.wire.pidbox import REPLIES, REQUESTS
from tq.worker.control import PANEL, control_command, inspect_command
from tq.worker.worker import Worker

NODE = "w1@here"
dumps = JsonSerializer().dumps


@pytest.fixture
def app() -> Iterator[TQ]:
    url = f"memory://{new_id()}"
    made = TQ("shop", broker=url, backend=url, set_as_current=False)
    gate = threading.Event()

    @made.task(name="shop.wait", rate_limit="100/s")
    def wait(seconds: float, note: object = None) -> bool:
        return gate.wait(seconds)

    made.gate = gate  # type: ignore[attr-defined]
    yield made
    gate.set()
    made.close()
    MemoryBroker.reset(url.partition("://")[2])


@contextmanager
def at_work(app: TQ, pool: str = "threads", **options: Any) -> Iterator[Worker]:
    concurrency = None if pool == "solo" else 2
    worker = make_worker(app, WorkerOptions(hostname=NODE, pool=pool, concurrency=concurrency, **options))
    thread = threading.Thread(target=worker.run, kwargs={"install_signals": False})
    thread.start()
    try:
        until(lambda: app.control.ping(timeout=0.2))
        yield worker
    finally:
        app.gate.set()  # type: ignore[attr-defined]
        worker.stop(StopMode.WARM)
        thread.join(30)
        assert not thread.is_alive()


def until(condition: Callable[[], Any]) -> Any:
    return eventually(condition, "it")


def ask(app: TQ, command: str, **arguments: Any) -> Any:
    (reply,) = app.control.broadcast(command, arguments, destination=[NODE], reply=True, timeout=30) or [{}]
    return reply[NODE]


def announce(app: TQ, body: bytes, **headers: Any) -> None:
    message = Message(headers, {}, body)
    assert list(app.broker.announce([Notice(REQUESTS, message)], timeout=5)) == [None]


def test_a_ping_is_answered_with_the_ticket_and_the_node(app: TQ) -> None:
    with at_work(app):
        listener = app.broker.subscribe(REPLIES, "me")
        request = {
            "method": "ping",
            "arguments": {},
            "ticket": "t1",
            "reply_to": {"exchange": REPLIES.name, "routing_key": "me"},
        }
        announce(app, dumps(request), clock=1000)
        (heard,) = listener.receive(1, 30)
        assert isinstance(heard.message, Message)
        assert JsonSerializer().loads(heard.message.body) == {NODE: {"ok": "pong"}}
        assert heard.message.headers["ticket"] == "t1"
        assert heard.message.headers["clock"] > 1000


@pytest.mark.parametrize(
    ("how", "answers"),
    [
        ({"destination": [NODE]}, True),
        ({"destination": ["another@here"]}, False),
        ({"pattern": "w?@h*", "matcher": "glob"}, True),
        ({"pattern": "x*", "matcher": "glob"}, False),
        ({"pattern": r"w\d@", "matcher": "pcre"}, True),
        ({"pattern": "(", "matcher": "pcre"}, False),
        ({"pattern": "*", "matcher": "nosuch"}, False),
    ],
)
def test_only_those_who_are_meant_answer(app: TQ, how: dict[str, Any], answers: bool) -> None:
    with at_work(app):
        timeout = 30.0 if answers else 0.3
        replies = app.control.broadcast("ping", reply=True, timeout=timeout, limit=1, **how)
        assert bool(replies) is answers


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_what_runs_is_listed_with_its_arguments(app: TQ, pool: str) -> None:
    with at_work(app, pool):
        result = app.tasks["shop.wait"].delay(30, note={"a": [1]})
        (info,) = until(lambda: ask(app, "active"))
        assert (info["id"], info["name"], info["args"], info["kwargs"]) == (
            result.id,
            "shop.wait",
            [30],
            {"note": {"a": [1]}},
        )
        assert info["hostname"] == NODE and abs(info["time_start"] - time.time()) < 60
        assert ask(app, "query_task", ids=[result.id, "nobody"])[result.id][0] == "active"
        assert ask(app, "stats")["total"] == {"shop.wait": 1}


def test_what_waits_behind_what_runs_is_reserved(app: TQ) -> None:
    with at_work(app, "solo"):
        app.tasks["shop.wait"].apply_async((30,))
        until(lambda: ask(app, "active"))
        assert ask(app, "reserved") == [] and ask(app, "scheduled") == []


def test_a_rate_limit_is_changed_in_the_worker(app: TQ) -> None:
    with at_work(app) as worker:
        assert ask(app, "rate_limit", task_name="shop.wait", rate_limit="5/m") == {
            "ok": "new rate limit set successfully"
        }
        bucket = worker._setup.executor.plans["shop.wait"].bucket
        assert bucket is not None and bucket.rate == pytest.approx(5 / 60)
        assert ask(app, "registered") == ["shop.wait [rate_limit=5/m]"]
        assert ask(app, "rate_limit", task_name="shop.wait", rate_limit=0) == {
            "ok": "rate limit disabled successfully"
        }
        assert worker._setup.executor.plans["shop.wait"].bucket is None
        assert ask(app, "rate_limit", task_name="nosuch", rate_limit="5/m") == {"error": "unknown task"}
        assert "Invalid rate limit" in ask(app, "rate_limit", task_name="shop.wait", rate_limit="x")["error"]


def test_time_limits_are_changed_in_the_worker(app: TQ) -> None:
    with at_work(app) as worker:
        assert ask(app, "time_limit", task_name="shop.wait", soft=1.5, hard=3) == {
            "ok": "time limits set successfully"
        }
        plan = worker._setup.executor.plans["shop.wait"]
        assert (plan.soft_time_limit, plan.time_limit) == (1.5, 3.0)
        assert "error" in ask(app, "time_limit", task_name="shop.wait", soft="soon")
        assert ask(app, "time_limit", task_name="nosuch", soft=1) == {"error": "unknown task"}


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_queues_are_added_and_cancelled_while_tasks_run(app: TQ, pool: str) -> None:
    with at_work(app, pool):
        assert ask(app, "add_consumer", queue="more") == {"ok": "add consumer more"}
        assert [queue["name"] for queue in ask(app, "active_queues")] == ["celery", "more"]
        assert app.tasks["shop.wait"].apply_async((0,), queue="more").get(timeout=30) is False
        assert ask(app, "cancel_consumer", queue="celery") == {"ok": "no longer consuming from celery"}
        assert "only queue" in ask(app, "cancel_consumer", queue="more")["error"]
        assert app.tasks["shop.wait"].apply_async((0,), queue="more").get(timeout=30) is False


def test_what_a_pool_cannot_is_an_error_in_the_reply(app: TQ) -> None:
    with at_work(app):
        assert "keeps its size" in ask(app, "pool_grow", n=1)["error"]
        assert ask(app, "autoscale", max=3, min=1) == {"error": "ValueError('Autoscale not enabled')"}
        assert "not reloaded" in ask(app, "pool_restart", reload=True)["error"]
        assert ask(app, "pool_restart") == {"ok": "reload started"}


def test_a_task_is_revoked_by_a_request(app: TQ) -> None:
    with at_work(app):
        assert ask(app, "revoke", task_id="some-id") == {"ok": "tasks {'some-id'} flagged as revoked"}
        assert ask(app, "revoked") == ["some-id"]
        assert ask(app, "hello", from_node="c@x")["revoked"] == ["some-id"]
        assert ask(app, "terminate", signal="KILL", task_id="x") == {"ok": "terminate: tasks unknown"}
        assert "is no signal" in ask(app, "terminate", signal="NOSUCH", task_id="x")["error"]
        assert "1 to 1024" in ask(app, "revoke", task_id=[1])["error"]
        said = ask(app, "revoke_by_stamped_headers", headers=["tenant=a"])
        assert said == {"ok": "headers {'tenant': 'a'} flagged as revoked, but not terminated"}


def test_a_shutdown_ends_the_worker(app: TQ) -> None:
    worker = make_worker(app, WorkerOptions(hostname=NODE, pool="threads", concurrency=1))
    thread = threading.Thread(target=worker.run, kwargs={"install_signals": False})
    thread.start()
    until(lambda: app.control.ping(timeout=0.2))
    assert ask(app, "shutdown") is None
    thread.join(30)
    assert not thread.is_alive()


def test_configuration_is_shown_without_secrets(app: TQ) -> None:
    with at_work(app):
        # Only now: the memory backend takes no options.
        app.conf.result_backend_transport_options = {"password": "s3cret"}
        assert ask(app, "conf")["result_backend_transport_options"] == {"password": "**"}
        assert "s3cret" not in ask(app, "report")["ok"]
        assert len(ask(app, "conf", with_defaults=True)) > 50


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"{}",
        b'{"method": 7}',
        b'{"method": "ping", "arguments": []}',
        b'{"method": "ping", "destination": "w1@here"}',
        b'{"method": "ping", "reply_to": 7}',
        b'{"method": "ping", "ticket": {}, "reply_to": {"exchange": "celery", "routing_key": "celery"}}',
        b'{"method": "' + b"x" * 100_000 + b'"}',
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_a_malformed_request_leaves_the_worker_as_it_is(app: TQ, body: bytes) -> None:
    with at_work(app):
        before = app.broker.stats("celery").ready
        for _ in range(3):
            announce(app, body)
        announce(app, b"x", expires="soon")
        assert ask(app, "ping") == {"ok": "pong"}
        assert app.broker.stats("celery").ready == before


def test_trouble_of_one_kind_is_logged_once(app: TQ, caplog: pytest.LogCaptureFixture) -> None:
    with at_work(app), caplog.at_level(logging.WARNING, "tq.control"):
        for number in range(100):
            announce(app, b"not json %d" % number)
            announce(app, dumps({"method": f"nosuch{number}"}))
        assert ask(app, "nosuch") == {"error": "KeyError('nosuch')"}
        assert len([each for each in caplog.records if each.name == "tq.control"]) == 2


def test_a_request_that_is_too_old_is_not_obeyed(app: TQ) -> None:
    with at_work(app):
        announce(app, dumps({"method": "shutdown"}), expires=time.time() - 3600)
        assert ask(app, "ping") == {"ok": "pong"}


def test_a_huge_request_is_not_read(app: TQ) -> None:
    with at_work(app):
        announce(app, dumps({"method": "shutdown", "arguments": {"msg": "x" * 5_000_000}}))
        assert ask(app, "ping") == {"ok": "pong"}


def test_wrong_arguments_are_an_error_in_the_reply(app: TQ) -> None:
    with at_work(app):
        assert "TypeError" in ask(app, "rate_limit", task_name=7)["error"]
        assert "error" in ask(app, "pool_grow", n="many")


def test_forged_replies_are_not_taken_for_answers(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    subscribe = app.broker.subscribe

    def forge(channel: Channel, pattern: str = "", **how: Any) -> Any:
        made = subscribe(channel, pattern, **how)
        for body, ticket in ((dumps({"evil@x": 1}), "forged"), (b"junk", None), (dumps([1]), None)):
            app.broker.announce([Notice(channel, Message({"ticket": ticket}, {}, body), pattern)], timeout=1)
        return made

    with at_work(app):
        monkeypatch.setattr(app.broker, "subscribe", forge)
        assert app.control.broadcast(
            "ping", destination=[NODE], reply=True, timeout=30, callback=told.append
        ) == [{NODE: {"ok": "pong"}}]
        assert told == [{NODE: {"ok": "pong"}}]


def test_commands_of_an_app_answer_as_well(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PANEL, "_commands", {})
    monkeypatch.setattr(PANEL, "_aliases", {})

    @inspect_command(alias="dump_note")
    def note(state: Any, text: str = "none") -> Any:
        """Repeat a note."""
        return {state.hostname: text}

    @control_command()
    def ping(state: Any) -> Any:
        """Try to take the place of one of tq's."""
        return "mine"

    @control_command()
    def burst(state: Any) -> None:
        """Fail."""
        raise LookupError("boom")

    with at_work(app):
        assert ask(app, "note", text="x") == ask(app, "dump_note", text="x") == {NODE: "x"}
        assert ask(app, "ping") == {"ok": "pong"}
        assert ask(app, "burst") == {"error": "LookupError('boom')"}


def test_a_worker_without_remote_control_has_no_mailbox(app: TQ) -> None:
    app.conf.worker_enable_remote_control = False
    worker = make_worker(app, WorkerOptions(hostname=NODE, pool="threads", concurrency=1))
    assert worker.mailbox is None and worker.warning is None


def test_where_the_broker_cannot_broadcast_the_worker_says_so_at_its_start(
    app: TQ, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryBroker, "capabilities", MemoryBroker.capabilities & ~Cap.BROADCAST)
    worker = make_worker(app, WorkerOptions(hostname=NODE, pool="threads", concurrency=1))
    assert worker.mailbox is None
    worker.stop(StopMode.WARM)
    worker.run(install_signals=False)
    assert "MemoryBroker cannot broadcast, so `tq inspect`" in caplog.text
    with pytest.raises(ImproperlyConfigured, match="cannot broadcast, so there is no remote control"):
        app.control.ping()
    app.control.revoke("some-id")
    assert app.broker.revoked()[1][0].task_id == "some-id"


def test_replies_are_none_where_nobody_answers(app: TQ) -> None:
    assert app.control.inspect(timeout=0.05).ping() is None
    assert app.control.ping(timeout=0.05) == []
    assert app.control.inspect("w1@here", timeout=0.05).active() is None
