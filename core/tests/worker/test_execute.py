"""The steps of the executor: from a delivery to what the stores have to do."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.worker.workshop import delivery, executor, message, plan
from tq import Ignore, Reject, Retry, SoftTimeLimitExceeded, states
from tq.brokers.memory import MemoryBroker
from tq.contracts.pool import ColdStop
from tq.policy.ratelimit import TokenBucket
from tq.records import Action, Delivery, Envelope, Message, Revocation, Settlement, Undecodable
from tq.request import current_request
from tq.wire.call import TaskCall
from tq.worker.alarm import Alarm
from tq.worker.execute import Executor
from tq.worker.follow import FollowUp
from tq.worker.revocations import Revocations
from tq.worker.run import Observers, Run
from tq.worker.seat import LocalSeat

CALL = TaskCall("id", "t", (1, 2), {"c": 3}, root_id="id")
PAST, FUTURE = "2001-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"


def run_through(work: Executor, what: Delivery) -> tuple[Run, Settlement]:
    """What an engine does with a delivery."""
    run = work.admit(what)
    if run.outcome is None:
        work.perform(run, LocalSeat())
    return run, work.conclude(run)


def raising(exc: BaseException) -> Any:
    def body(*args: Any, **kwargs: Any) -> None:
        raise exc

    return body


class Weird(BaseException):
    """A library's own kind of exception."""


OUTCOMES: list[tuple[str, Any, dict[str, Any], Action, str | None]] = [
    # what, body, plan, action, stored state
    ("a value", lambda *a, **k: 5, {}, Action.ACK, states.SUCCESS),
    ("an ignored value", lambda *a, **k: 5, {"ignore_result": True}, Action.ACK, None),
    ("an error", raising(ValueError("x")), {}, Action.ACK, states.FAILURE),
    ("an error to bury", raising(ValueError("x")), {"acks_on_failure": False}, Action.DEAD, states.FAILURE),
    (
        "an ignored error",
        raising(ValueError("x")),
        {"ignore_result": True, "store_errors": False},
        Action.ACK,
        None,
    ),
    ("a kept error", raising(ValueError("x")), {"ignore_result": True}, Action.ACK, states.FAILURE),
    ("an expected error", raising(KeyError("x")), {"throws": (KeyError,)}, Action.ACK, states.FAILURE),
    ("an exit", raising(SystemExit(3)), {}, Action.ACK, states.FAILURE),
    ("a strange exception", raising(Weird()), {}, Action.ACK, states.FAILURE),
    ("a soft limit", raising(SoftTimeLimitExceeded(1)), {}, Action.ACK, states.FAILURE),
    ("a retry", raising(Retry(when=1)), {}, Action.ACK, states.RETRY),
    ("an ignored task", raising(Ignore()), {}, Action.ACK, None),
    ("a rejection", raising(Reject("bad")), {}, Action.DEAD, states.FAILURE),
    ("a requeue", raising(Reject("later", requeue=True)), {}, Action.REQUEUE, None),
    ("a cold stop", raising(ColdStop()), {}, Action.REQUEUE, None),
    ("no form", lambda *a, **k: object(), {}, Action.ACK, states.FAILURE),
    ("no form to bury", lambda *a, **k: object(), {"acks_on_failure": False}, Action.DEAD, states.FAILURE),
    ("an ignored value without form", lambda *a, **k: object(), {"ignore_result": True}, Action.ACK, None),
    ("wrong arguments", lambda: 5, {}, Action.ACK, states.FAILURE),
]


@pytest.mark.parametrize(
    ("what", "body", "options", "action", "state"), OUTCOMES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_outcome_has_its_settlement(
    what: str, body: Any, options: dict[str, Any], action: Action, state: str | None
) -> None:
    _, settlement = run_through(executor(plan(body, **options)), delivery(CALL))
    assert settlement.action is action
    assert (settlement.result and settlement.result.status) == state
    assert bool(settlement.reason) == (action is Action.DEAD)


UNREADABLE: list[tuple[str, Delivery, str, bool]] = [
    ("bytes", Delivery(Undecodable(b"\0", "no envelope"), "q", 1), "no envelope", False),
    ("no task", Delivery(Message({"id": "id"}, {}, b"[]"), "q", 1), "InvalidTask", True),
    ("unknown", delivery(TaskCall("id", "nope")), "NotRegistered: nope", True),
    ("no JSON", Delivery(Message({"id": "id", "task": "t"}, {}, b"{{"), "q", 1), "DecodeError", True),
    ("pickle", Delivery(Message({"id": "id", "task": "t"}, {}, b"", "application/x-python-serialize"), "q", 1), "accept_content", True),
    ("wrong eta", Delivery(Message({"id": "id", "task": "t", "eta": "soon"}, {}, b"[[],{},{}]"), "q", 1), "InvalidTask", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "given_", "reason", "stored"), UNREADABLE, ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_run_is_dead_and_whoever_waits_hears_why(
    what: str, given_: Delivery, reason: str, stored: bool
) -> None:
    _, settlement = run_through(executor(plan(lambda: 5)), given_)
    assert settlement.action is Action.DEAD
    assert reason in settlement.reason
    assert (settlement.result is not None) == stored
    if settlement.result is not None:
        assert (settlement.result.task_id, settlement.result.status) == ("id", states.FAILURE)


@given(body=st.binary(), headers=st.dictionaries(st.sampled_from(["id", "task", "eta", "expires", "retries"]), st.none() | st.text() | st.integers()))  # fmt: skip
def test_no_message_whatever_makes_it_raise(body: bytes, headers: dict[str, Any]) -> None:
    work = executor(plan(lambda *a, **k: 5))
    _, settlement = run_through(work, Delivery(Message(headers, {}, body), "q", 1))
    assert isinstance(settlement, Settlement)


def test_an_expired_task_is_revoked() -> None:
    _, settlement = run_through(executor(plan(lambda *a: 5)), delivery(TaskCall("id", "t", expires=PAST)))
    assert settlement.action is Action.ACK
    assert settlement.result is not None
    assert settlement.result.status == states.REVOKED
    assert settlement.result.result["exc_message"] == ["expired"]


def test_a_task_before_its_time_goes_back_until_then_unless_the_broker_kept_it() -> None:
    moment = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    work = executor(plan(lambda *a, **k: 5), clock=lambda: moment.timestamp() - 60)
    early = message(TaskCall("id", "t", eta=moment.isoformat()))
    _, settlement = run_through(work, Delivery(early, "q", 1))
    assert (settlement.action, settlement.delay, settlement.result) == (Action.REQUEUE, 60, None)
    early.properties["tq_parked"] = True
    assert run_through(work, Delivery(early, "q", 1))[1].action is Action.ACK


def test_a_revoked_task_does_not_run() -> None:
    broker = MemoryBroker("memory://execute-revoked")
    broker.revoke([Revocation("id")], expires=60)
    revocations = Revocations(broker)
    revocations.refresh()
    ran: list[int] = []
    work = executor(plan(lambda *a, **k: ran.append(1)), revocations=revocations)
    assert run_through(work, delivery(CALL))[1].result.status == states.REVOKED  # type: ignore[union-attr]
    assert run_through(work, delivery(TaskCall("other", "t")))[1].result.status == states.SUCCESS  # type: ignore[union-attr]
    assert ran == [1]


def test_revocations_are_asked_for_no_more_than_each_second_and_outages_pass() -> None:
    broker = MemoryBroker("memory://execute-revocations")
    now = [0.0]
    revocations = Revocations(broker, clock=lambda: now[0])
    assert revocations.refresh() == []
    broker.revoke([Revocation("a")], expires=60)
    assert revocations.refresh() == []
    now[0] = 1.1
    assert [revocation.task_id for revocation in revocations.refresh()] == ["a"]
    now[0] = 2.2
    assert revocations.refresh() == []
    assert "a" in revocations


def test_a_task_whose_rate_is_used_up_goes_back_for_a_while() -> None:
    work = executor(plan(lambda *a, **k: 5, bucket=TokenBucket(0.01)))
    actions = [run_through(work, delivery(CALL))[1] for _ in range(3)]
    assert [each.action for each in actions] == [Action.ACK, Action.REQUEUE, Action.REQUEUE]
    assert actions[0].delay == 0
    assert 90 < actions[1].delay <= 100
    assert actions[2].delay > actions[1].delay


@pytest.mark.parametrize(
    ("attempt", "state"), [(1, states.SUCCESS), (2, states.FAILURE), (0, states.SUCCESS)]
)
def test_what_a_dead_process_ran_may_be_told_to_fail(attempt: int, state: str) -> None:
    work = executor(plan(lambda *a, **k: 5, reject_on_worker_lost=False))
    _, settlement = run_through(work, delivery(CALL, attempt=attempt))
    assert settlement.result is not None
    assert settlement.result.status == state
    if state == states.FAILURE:
        assert settlement.result.result["exc_type"] == "WorkerLostError"


def test_the_result_document_has_celery_s_fields() -> None:
    call = TaskCall("id", "t", (1,), {"a": 2}, group="g", parent_id="p", retries=2)
    result = run_through(executor(plan(lambda *a, **k: {"x": (1, 2)}, extended=True)), delivery(call))[
        1
    ].result
    assert result is not None
    assert (result.task_id, result.status, result.result) == ("id", "SUCCESS", {"x": [1, 2]})
    assert (result.group_id, result.parent_id, result.children) == ("g", "p", [])
    assert (result.name, list(result.args), result.kwargs) == ("t", [1], {"a": 2})
    assert (result.worker, result.retries, result.queue) == ("w@test", 2, "q")
    assert result.date_done is not None
    plain = run_through(executor(plan(lambda *a, **k: 5)), delivery(call))[1].result
    assert plain is not None
    assert plain.name is None


def test_the_traceback_of_a_failure_begins_with_the_task_s_own_frames() -> None:
    result = run_through(executor(plan(raising(ValueError("x")))), delivery(CALL))[1].result
    assert result is not None
    assert result.traceback is not None
    assert "tq/worker/" not in result.traceback
    assert "in body" in result.traceback
    assert result.traceback.endswith("ValueError: x\n")


def test_a_result_without_a_form_says_which_task_and_what_to_do() -> None:
    result = run_through(
        executor(plan(lambda *a, **k: {1, 2}, name="shop.t")), delivery(TaskCall("id", "shop.t"))
    )[1].result
    assert result is not None
    (said,) = result.result["exc_message"]
    assert said.startswith("the result of task shop.t cannot be stored: ")
    assert "set has no JSON form" in said
    assert said.endswith("return plain values")
    assert result.traceback == f"tq.errors.EncodeError: {said}\n"


def test_a_result_is_a_copy_so_that_later_changes_do_not_reach_the_store() -> None:
    value: list[int] = [1]
    result = run_through(executor(plan(lambda *a, **k: value)), delivery(CALL))[1].result
    value.append(2)
    assert result is not None
    assert result.result == [1]


def test_without_a_backend_nothing_is_kept_and_any_value_will_do() -> None:
    settlement = run_through(executor(plan(lambda *a, **k: object()), freeze=None), delivery(CALL))[1]
    assert (settlement.action, settlement.result) == (Action.ACK, None)


def test_a_body_sees_its_request_and_nobody_else_does() -> None:
    seen: list[Any] = []

    def body(*args: Any, **kwargs: Any) -> None:
        request = current_request.get()
        assert request is not None
        seen.append(
            (request.id, request.task, list(request.args), request.kwargs, request.queue, request.hostname)
        )
        seen.append((request.attempt, request.retries, request.is_eager, request.called_directly))

    run_through(executor(plan(body)), delivery(CALL, attempt=2))
    assert seen == [("id", "t", [1, 2], {"c": 3}, "q", "w@test"), (2, 0, False, False)]
    assert current_request.get() is None


def test_children_that_a_body_sent_are_in_its_result() -> None:
    def body(*args: Any, **kwargs: Any) -> None:
        current_request.get().children.append((("c", None), None))  # type: ignore[union-attr]

    result = run_through(executor(plan(body)), delivery(CALL))[1].result
    assert result is not None
    assert result.children == [(("c", None), None)]


def test_a_coroutine_body_is_awaited_both_ways() -> None:
    async def body(*args: int, c: int) -> int:
        await asyncio.sleep(0)
        return sum(args) + c

    work = executor(plan(body, is_coroutine=True))
    assert run_through(work, delivery(CALL))[1].result.result == 6  # type: ignore[union-attr]
    run = work.admit(delivery(CALL))
    asyncio.run(work.aperform(run, LocalSeat()))
    assert work.conclude(run).result.result == 6  # type: ignore[union-attr]


def test_a_coroutine_gets_its_soft_limit_inside() -> None:
    cleaned: list[bool] = []

    async def body(*args: Any, **kwargs: Any) -> None:
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            cleaned.append(True)
            raise

    work = executor(plan(body, is_coroutine=True))
    run = work.admit(delivery(CALL))
    asyncio.run(work.aperform(run, LocalSeat(), (0.01, None)))
    assert work.conclude(run).result.result["exc_type"] == "SoftTimeLimitExceeded"  # type: ignore[union-attr]
    assert cleaned == [True]


# -- what follows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "call", "asked"),
    [
        (lambda *a, **k: 5, TaskCall("id", "t", callbacks=[{"task": "c"}]), True),
        (lambda *a, **k: 5, TaskCall("id", "t", chain=[{"task": "c"}]), True),
        (lambda *a, **k: 5, TaskCall("id", "t", errbacks=[{"task": "c"}]), False),
        (raising(ValueError()), TaskCall("id", "t", errbacks=[{"task": "c"}]), True),
        (raising(ValueError()), TaskCall("id", "t", callbacks=[{"task": "c"}]), False),
        (raising(ValueError()), TaskCall("id", "t", chain=[{"task": "c"}]), True),
        (raising(Retry()), TaskCall("id", "t", callbacks=[{"task": "c"}], errbacks=[{"task": "c"}]), False),
        (raising(Ignore()), TaskCall("id", "t", callbacks=[{"task": "c"}]), False),
        (lambda *a, **k: 5, TaskCall("id", "t", errbacks=[{"task": "c"}], expires=PAST), True),
    ],
)
def test_what_follows_is_sent_with_the_settlement(body: Any, call: TaskCall, asked: bool) -> None:
    envelope = Envelope(message(TaskCall("next", "c")), "q")
    work = executor(plan(body), follow_up=lambda call, outcome, delivery: FollowUp((envelope,)))
    assert run_through(work, delivery(call))[1].publish == ((envelope,) if asked else ())


def test_what_follows_and_cannot_be_sent_makes_a_dead_letter_and_a_failure() -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("no such form")

    work = executor(plan(lambda *a, **k: 5), follow_up=broken)
    _, settlement = run_through(work, delivery(TaskCall("id", "t", callbacks=[{"task": "c"}])))
    assert settlement.action is Action.DEAD
    assert "no such form" in settlement.reason
    assert settlement.result is not None
    assert settlement.result.status == states.FAILURE


# -- observers -----------------------------------------------------------------------------------------------


class Ear:
    """Observers that note their names."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.observers = Observers(**{name: self._observer(name) for name in Observers.__dataclass_fields__})

    def _observer(self, name: str) -> Any:
        def observe(**arguments: Any) -> None:
            self.heard.append((name, arguments))

        return observe

    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        (lambda *a, **k: 5, ["task_received", "task_prerun", "task_success", "task_postrun"]),
        (raising(ValueError()), ["task_received", "task_prerun", "task_failure", "task_postrun"]),
        (raising(Retry()), ["task_received", "task_prerun", "task_retry", "task_postrun"]),
        (raising(Reject("x")), ["task_received", "task_prerun", "task_rejected", "task_postrun"]),
        (raising(Ignore()), ["task_received", "task_prerun", "task_postrun"]),
        (raising(ColdStop()), ["task_received", "task_prerun"]),
    ],
)
def test_observers_hear_each_step_of_a_run(what: Any, names: list[str]) -> None:
    ear = Ear()
    run_through(executor(plan(what), observers=ear.observers), delivery(CALL))
    assert ear.names() == names


@pytest.mark.parametrize(
    ("given_", "name", "arguments"),
    [
        (
            delivery(TaskCall("id", "t", expires=PAST)),
            "task_revoked",
            {"task_id": "id", "name": "t", "reason": "expired"},
        ),
        (UNREADABLE[2][1], "task_unknown", {"delivery": UNREADABLE[2][1], "name": "nope", "task_id": "id"}),
        (UNREADABLE[0][1], "message_rejected", {"delivery": UNREADABLE[0][1], "reason": "no envelope"}),
    ],
)
def test_observers_hear_of_what_never_runs(given_: Delivery, name: str, arguments: dict[str, Any]) -> None:
    ear = Ear()
    run_through(executor(plan(lambda *a, **k: 5), observers=ear.observers), given_)
    assert ear.heard == [(name, arguments)]


@pytest.mark.parametrize("alarmed", [False, True])
def test_a_coroutine_on_a_loop_of_its_own_gets_its_soft_limit_where_it_waits(alarmed: bool) -> None:
    async def body(*args: Any, **kwargs: Any) -> str:
        try:
            await asyncio.sleep(20)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0)
            return "cleaned up"
        return "too late"

    before = signal.getsignal(signal.SIGALRM)
    try:
        work = executor(plan(body, is_coroutine=True))
        run = work.admit(delivery(CALL))
        work.perform(run, LocalSeat(), (0.05, None), Alarm() if alarmed else None)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert work.conclude(run).result.result == "cleaned up"  # type: ignore[union-attr]


@pytest.mark.parametrize("late", [False, True])
def test_a_coroutine_may_catch_its_soft_limit_and_is_not_cancelled_afterwards(late: bool) -> None:
    async def body(*args: Any, **kwargs: Any) -> str:
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(0.02 if late else 0)
        return "cleaned up"

    work = executor(plan(body, is_coroutine=True))
    run = work.admit(delivery(CALL))

    async def main() -> None:
        await work.aperform(run, LocalSeat(), (0.01, None))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert work.conclude(run).result.result == "cleaned up"  # type: ignore[union-attr]


def test_a_coroutine_that_is_cancelled_after_its_soft_limit_is_given_back() -> None:
    async def body(*args: Any, **kwargs: Any) -> None:
        try:
            await asyncio.sleep(60)
        except SoftTimeLimitExceeded:
            await asyncio.sleep(60)

    work = executor(plan(body, is_coroutine=True))
    run = work.admit(delivery(CALL))

    async def main() -> None:
        task = asyncio.create_task(work.aperform(run, LocalSeat(), (0.01, None)))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert work.conclude(run).action is Action.REQUEUE


@pytest.mark.parametrize(("attempt", "runs"), [(1, True), (3, True), (4, False)])
def test_a_message_whose_holders_died_too_often_is_a_dead_letter(attempt: int, runs: bool) -> None:
    """As a broker without leases tells it; one with leases does not hand it out."""
    work = executor(plan(lambda a, b, c: a), max_attempts=3)
    run, settlement = run_through(work, delivery(CALL, attempt=attempt))
    assert run.outcome is not None
    if runs:
        assert (run.outcome.state, settlement.action) == (states.SUCCESS, Action.ACK)
    else:
        assert (settlement.action, settlement.reason) == (
            Action.DEAD,
            "WorkerLost: 3 processes that ran it died",
        )
        assert settlement.result is not None
        assert settlement.result.status == states.FAILURE
