"""Arguments that a caller hides are in the body only: not in headers, not in logs, not in events of a retry."""

from __future__ import annotations

import json
import logging
from typing import Any, NoReturn

import pytest

from tq import TQ
from tq.app.plan import plan_of
from tq.records import Delivery, Envelope, Settlement
from tq.wire.ids import new_id
from tq.wire.json import JsonSerializer
from tq.worker.execute import Executor
from tq.worker.seat import LocalSeat

SECRET = "hunter2-correct-horse"


@pytest.fixture
def app() -> TQ:
    return TQ("security", broker="memory://arguments", set_as_current=False)


def sent(app: TQ) -> Envelope:
    """Take the one message that was published out of the queue again."""
    consumer = app.broker.consumer(["celery"], new_id(), lease=5.0)
    (delivery,) = consumer.receive(5, 1.0)
    assert all(consumer.settle([Settlement(delivery)]))
    consumer.close()
    return Envelope(delivery.message, delivery.queue)  # type: ignore[arg-type]


def work(app: TQ, envelope: Envelope) -> tuple[Envelope, ...]:
    """Do all that a worker does with a message; returns what it publishes."""
    executor = Executor(
        {task.name: plan_of(task, app.conf) for task in app.tasks.values()},
        {"application/json": JsonSerializer()},
        10**6,
        freeze=lambda value: value,
        follow_up=app.follow_up,
    )
    run = executor.admit(Delivery(envelope.message, envelope.queue, 1))
    if run.outcome is None:
        executor.perform(run, LocalSeat())
    return executor.conclude(run).publish


def test_without_a_wish_headers_show_the_arguments(app: TQ) -> None:
    @app.task
    def login(password: str) -> None: ...

    login.delay(SECRET)
    assert SECRET in json.dumps(sent(app).message.headers)


def test_the_texts_that_a_caller_gives_stand_in_for_the_arguments(
    app: TQ, caplog: pytest.LogCaptureFixture
) -> None:
    @app.task
    def login(user: str, *, password: str) -> None: ...

    @app.task
    def fails(user: str, *, password: str) -> NoReturn:
        raise ValueError("wrong user")

    with caplog.at_level(logging.DEBUG):
        for task in (login, fails):
            task.apply_async((SECRET,), {"password": SECRET}, argsrepr="(...)", kwargsrepr="{...}")
            envelope = sent(app)
            assert envelope.message.headers["argsrepr"] == "(...)"
            assert SECRET not in json.dumps([envelope.message.headers, envelope.message.properties])
            assert SECRET in envelope.message.body.decode()
            work(app, envelope)
    assert "succeeded" in caplog.text
    assert "wrong user" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("hidden", [True, False])
def test_a_retry_with_other_arguments_hides_them_as_well(app: TQ, hidden: bool) -> None:
    @app.task(bind=True)
    def login(self: Any, password: str, again: str = "") -> None:
        raise self.retry(args=[f"{SECRET}-2"], kwargs={"again": SECRET}, countdown=0)

    options: Any = {"argsrepr": "(...)", "kwargsrepr": "{...}"} if hidden else {}
    login.apply_async((SECRET,), **options)
    (following,) = work(app, sent(app))
    assert (SECRET in json.dumps(following.message.headers)) is not hidden
    assert f"{SECRET}-2" in following.message.body.decode()


def test_follow_ups_that_cannot_be_sent_are_logged_without_the_arguments(
    app: TQ, caplog: pytest.LogCaptureFixture
) -> None:
    @app.task
    def login(password: str) -> None: ...

    login.apply_async((SECRET,), argsrepr="(...)", link=[{"task": "next", "args": 7, "options": 7}])
    work(app, sent(app))
    assert "cannot be sent" in caplog.text
    assert SECRET not in caplog.text
