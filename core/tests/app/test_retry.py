"""`self.retry` in a worker: which message follows, and what is raised."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tq import TQ, Retry, states
from tq.app.plan import plan_of
from tq.errors import MaxRetriesExceeded
from tq.records import Action, Delivery, Envelope, Message, Settlement
from tq.wire.call import TaskCall
from tq.wire.isotime import parse_iso
from tq.wire.json import JsonSerializer
from tq.wire.protocol import read_task, write_task
from tq.worker.execute import Executor
from tq.worker.run import Run
from tq.worker.seat import LocalSeat

JSON = {"application/json": JsonSerializer()}
Body = Callable[..., Any]


def perform(app: TQ, body: Body, call: TaskCall | None = None, **options: Any) -> tuple[Run, Settlement]:
    """Run a bound task once as a worker would."""
    task = app.task(name="t", bind=True, **options)(body)
    executor = Executor({"t": plan_of(task, app.conf)}, JSON, 10**6, freeze=lambda value: value)
    message = write_task(call or TaskCall("id", "t", (1,), {"a": 2}, root_id="root"), JsonSerializer())
    run = executor.admit(Delivery(message, "orders", 1))
    assert run.outcome is None
    executor.perform(run, LocalSeat())
    return run, executor.conclude(run)


def following(settlement: Settlement) -> tuple[Envelope, TaskCall]:
    (envelope,) = settlement.publish
    assert isinstance(envelope.message, Message)
    return envelope, read_task(envelope.message, JSON, size_limit=10**6)


def state_of(run: Run) -> str:
    assert run.outcome is not None
    return run.outcome.state


def test_the_next_attempt_is_the_same_call_once_more(app: TQ) -> None:
    call = TaskCall(
        "id", "t", (1,), {"a": 2}, root_id="root", parent_id="parent", group="g", callbacks=[{"task": "c"}],
        expires="2100-01-01T00:00:00+00:00", headers={"tenant": "x"}, priority=4, time_limit=9,
    )  # fmt: skip
    run, settlement = perform(app, lambda self, x, a: self.retry(countdown=5), call, max_retries=9)
    assert state_of(run) == states.RETRY
    assert settlement.action is Action.ACK
    envelope, again = following(settlement)
    assert (envelope.queue, envelope.priority) == ("orders", 4)
    assert envelope.delay == pytest.approx(5, abs=1)
    assert (again.id, again.retries, again.root_id, again.parent_id) == ("id", 1, "root", "id")
    assert (list(again.args), again.kwargs, again.group, again.time_limit) == ([1], {"a": 2}, "g", 9)
    assert again.callbacks == [{"task": "c"}]
    assert again.expires == call.expires
    assert again.headers["tenant"] == "x"
    assert settlement.result is not None
    assert (settlement.result.status, settlement.result.date_done) == ("RETRY", None)


def test_arguments_and_options_may_be_replaced(app: TQ) -> None:
    def body(self: Any, x: int, a: int) -> None:
        self.retry(
            args=(9,), kwargs={"b": 3}, countdown=0, queue="other", priority=8, headers={"n": 1}, time_limit=7,
            soft_time_limit=6, expires=60, ignore_result=True, link=app.signature("l"), shadow="s",
            compression="gzip",
        )  # fmt: skip

    envelope, again = following(perform(app, body)[1])
    assert (envelope.queue, envelope.priority, envelope.delay) == ("other", 8, 0)
    assert (list(again.args), again.kwargs, again.argsrepr) == ([9], {"b": 3}, "(9,)")
    assert (again.time_limit, again.soft_time_limit, again.ignore_result, again.shadow) == (7, 6, True, "s")
    assert again.headers["n"] == 1
    assert again.compression == "application/x-gzip"
    assert again.expires is not None
    assert again.callbacks is not None


def test_an_option_that_a_retry_cannot_change_is_refused(app: TQ) -> None:
    run, settlement = perform(app, lambda self, x, a: self.retry(task_id="new"))
    assert run.outcome is not None
    assert "retry() has no option 'task_id'" in str(run.outcome.value)
    assert settlement.publish == ()


def test_without_a_time_it_waits_for_the_default_delay(app: TQ) -> None:
    _, settlement = perform(app, lambda self, x, a: self.retry(), default_retry_delay=77)
    assert following(settlement)[0].delay == pytest.approx(77, abs=1)


def test_an_eta_may_be_given(app: TQ) -> None:
    when = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    run, settlement = perform(app, lambda self, x, a: self.retry(eta=when))
    envelope, again = following(settlement)
    assert envelope.delay == pytest.approx(3600, abs=5)
    assert parse_iso(again.eta or "") == pytest.approx(when.timestamp(), abs=1e-3)
    assert run.outcome is not None
    assert run.outcome.value.when == when


@pytest.mark.parametrize(
    ("own", "override", "retries", "goes_on"),
    [
        (3, None, 2, True),
        (3, None, 3, False),
        (3, 5, 4, True),
        (3, 1, 1, False),
        (None, None, 99, True),
        (0, None, 0, False),
    ],
)
def test_max_retries_of_the_task_or_of_the_call_decides(
    app: TQ, own: int | None, override: int | None, retries: int, goes_on: bool
) -> None:
    call = TaskCall("id", "t", (1,), {"a": 2}, retries=retries)
    run, settlement = perform(app, lambda self, x, a: self.retry(max_retries=override), call, max_retries=own)
    assert state_of(run) == (states.RETRY if goes_on else states.FAILURE)
    assert len(settlement.publish) == goes_on
    if not goes_on:
        assert run.outcome is not None
        assert isinstance(run.outcome.value, MaxRetriesExceeded)
        assert (list(run.outcome.value.task_args), run.outcome.value.task_kwargs) == ([1], {"a": 2})


def test_the_error_that_was_given_is_raised_in_the_end_and_told_meanwhile(app: TQ) -> None:
    error = OSError("down")
    run, settlement = perform(app, lambda self, x, a: self.retry(exc=error), max_retries=0)
    assert run.outcome is not None
    assert run.outcome.value is error
    run, settlement = perform(app, lambda self, x, a: self.retry(exc=error), max_retries=1)
    assert settlement.result is not None
    assert settlement.result.result["exc_type"] == "OSError"
    assert settlement.result.traceback is not None
    assert "OSError: down" in settlement.result.traceback


def test_without_throw_the_run_goes_on_and_both_happen(app: TQ) -> None:
    def body(self: Any, x: int, a: int) -> str:
        retry = self.retry(throw=False, countdown=1)
        assert isinstance(retry, Retry)
        return str(retry)

    run, settlement = perform(app, body)
    assert state_of(run) == states.SUCCESS
    assert following(settlement)[1].retries == 1


def test_called_directly_it_raises_the_error(app: TQ) -> None:
    task = app.task(name="direct", bind=True)(lambda self, exc=None: self.retry(exc=exc))
    with pytest.raises(Retry, match="called directly"):
        task()
    with pytest.raises(OSError, match="down"):
        task(OSError("down"))


# -- automatic retries -----------------------------------------------------------------------------------------


def failing(self: Any, x: int, a: int) -> None:
    raise FileNotFoundError("gone")


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({"autoretry_for": (OSError,)}, states.RETRY),
        ({"autoretry_for": OSError}, states.RETRY),
        ({"autoretry_for": (OSError,), "dont_autoretry_for": (FileNotFoundError,)}, states.FAILURE),
        ({"autoretry_for": (KeyError,)}, states.FAILURE),
        ({"autoretry_for": (OSError,), "max_retries": 0}, states.FAILURE),
        ({"autoretry_for": (OSError,), "max_retries": None}, states.RETRY),
        ({"autoretry_for": (OSError,), "retry_kwargs": {"max_retries": 0}}, states.FAILURE),
    ],
)
def test_errors_that_are_named_are_retried(app: TQ, options: dict[str, Any], state: str) -> None:
    run, settlement = perform(app, failing, **options)
    assert state_of(run) == state
    assert len(settlement.publish) == (state == states.RETRY)
    if state == states.FAILURE:
        assert run.outcome is not None
        assert isinstance(run.outcome.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("options", "retries", "delay"),
    [
        ({"default_retry_delay": 7}, 0, 7),
        ({"retry_backoff": True}, 0, 1),
        ({"retry_backoff": True}, 3, 8),
        ({"retry_backoff": 5}, 2, 20),
        ({"retry_backoff": 5, "retry_backoff_max": 12}, 2, 12),
        ({"retry_kwargs": {"countdown": 3}}, 0, 3),
    ],
)
def test_the_delay_grows_as_the_options_say(
    app: TQ, options: dict[str, Any], retries: int, delay: float
) -> None:
    call = TaskCall("id", "t", (1,), {"a": 2}, retries=retries)
    _, settlement = perform(
        app, failing, call, autoretry_for=(OSError,), retry_jitter=False, max_retries=None, **options
    )
    assert following(settlement)[0].delay == pytest.approx(delay, abs=1)


def test_jitter_stays_below_the_delay_without_it(app: TQ) -> None:
    call = TaskCall("id", "t", (1,), {"a": 2}, retries=4)
    _, settlement = perform(
        app, failing, call, autoretry_for=(OSError,), retry_backoff=True, max_retries=None
    )
    assert 0 <= following(settlement)[0].delay <= 16


@pytest.mark.parametrize("control", [Retry("own"), KeyboardInterrupt()])
def test_what_is_no_error_of_the_task_is_not_retried_by_itself(app: TQ, control: BaseException) -> None:
    def body(self: Any, x: int, a: int) -> None:
        raise control

    _, settlement = perform(app, body, autoretry_for=(OSError,))
    assert settlement.publish == ()
