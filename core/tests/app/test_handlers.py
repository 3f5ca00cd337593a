"""A task's handlers: who is called with what, and what a broken one does."""

from __future__ import annotations

from typing import Any

import pytest

from tq import TQ, Ignore, Reject, Task, states
from tq.app.plan import plan_of
from tq.records import Action, Delivery, Settlement
from tq.wire.call import TaskCall
from tq.wire.json import JsonSerializer
from tq.wire.protocol import write_task
from tq.worker.execute import Executor
from tq.worker.run import Run
from tq.worker.seat import LocalSeat

Told = list[tuple[Any, ...]]


class Telling(Task[..., Any]):
    """Notes each call of a handler; raises from those that `broken` names."""

    told: Told
    broken: str = ""

    def _note(self, handler: str, *arguments: Any) -> None:
        self.told.append((handler, *arguments))
        if handler == self.broken:
            raise RuntimeError(f"{handler} is broken")

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        self._note("before_start", task_id, list(args), kwargs)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        self._note("on_success", retval, task_id, list(args), kwargs)

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self._note("on_failure", exc, task_id, list(args), kwargs, einfo)

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        self._note("on_retry", exc, task_id, list(args), kwargs, einfo)

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        self._note("after_return", status, retval, task_id, list(args), kwargs, einfo)


def perform(app: TQ, body: Any, **options: Any) -> tuple[Told, Run, Settlement]:
    told: Told = []
    task = app.task(name="t", base=Telling, bind=True, told=told, **options)(body)
    executor = Executor(
        {"t": plan_of(task, app.conf)}, {"application/json": JsonSerializer()}, 10**6, freeze=_same
    )
    run = executor.admit(Delivery(write_task(TaskCall("id", "t", (1,), {"a": 2}), JsonSerializer()), "q", 1))
    executor.perform(run, LocalSeat())
    return told, run, executor.conclude(run)


def _same(value: Any) -> Any:
    return value


def test_a_success_is_told_in_celery_s_order(app: TQ) -> None:
    told, _, _ = perform(app, lambda self, x, a: x + a)
    assert told == [
        ("before_start", "id", [1], {"a": 2}),
        ("on_success", 3, "id", [1], {"a": 2}),
        ("after_return", "SUCCESS", 3, "id", [1], {"a": 2}, None),
    ]


def test_a_failure_is_told_with_its_traceback(app: TQ) -> None:
    def body(self: Any, x: int, a: int) -> None:
        raise ValueError("no")

    told, run, _ = perform(app, body)
    exc = run.outcome.value  # type: ignore[union-attr]
    (_, failed, returned) = told
    einfo = failed[-1]
    assert failed == ("on_failure", exc, "id", [1], {"a": 2}, einfo)
    assert returned == ("after_return", "FAILURE", exc, "id", [1], {"a": 2}, einfo)
    assert str(einfo) == einfo.traceback
    assert str(einfo).startswith("Traceback")
    assert str(einfo).endswith("ValueError: no\n")
    assert einfo.exception is exc


def test_a_retry_is_told_with_its_cause(app: TQ) -> None:
    cause = OSError("down")
    told, run, _ = perform(app, lambda self, x, a: self.retry(exc=cause))
    (_, retried, returned) = told
    assert retried[:2] == ("on_retry", cause)
    assert "OSError: down" in str(retried[-1])
    assert returned[1:3] == ("RETRY", run.outcome.value)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("exc", "handlers"), [(Ignore(), ["before_start"]), (Reject("x"), ["before_start", "after_return"])]
)
def test_what_a_task_does_to_its_message_is_neither(app: TQ, exc: Exception, handlers: list[str]) -> None:
    def body(self: Any, x: int, a: int) -> None:
        raise exc

    told, _, _ = perform(app, body)
    assert [call[0] for call in told] == handlers


def test_a_broken_before_start_fails_the_task(app: TQ) -> None:
    ran: list[int] = []
    told, run, _ = perform(app, lambda self, x, a: ran.append(x), broken="before_start")
    assert ran == []
    assert [call[0] for call in told] == ["before_start", "on_failure", "after_return"]
    assert run.outcome.state == states.FAILURE  # type: ignore[union-attr]


@pytest.mark.parametrize("broken", ["on_success", "after_return"])
@pytest.mark.parametrize(("acks", "action"), [(True, Action.ACK), (False, Action.DEAD)])
def test_a_success_with_a_broken_handler_fails(app: TQ, broken: str, acks: bool, action: Action) -> None:
    _, run, settlement = perform(app, lambda self, x, a: x, broken=broken, acks_on_failure_or_timeout=acks)
    assert run.outcome.state == states.FAILURE  # type: ignore[union-attr]
    assert settlement.result is not None
    assert settlement.result.result["exc_message"] == [f"{broken} is broken"]
    assert settlement.action is action


@pytest.mark.parametrize("broken", ["on_failure", "after_return"])
def test_a_failure_with_a_broken_handler_keeps_its_own_error(app: TQ, broken: str) -> None:
    def body(self: Any, x: int, a: int) -> None:
        raise ValueError("no")

    _, run, settlement = perform(app, body, broken=broken, acks_on_failure_or_timeout=False)
    assert isinstance(run.outcome.value, ValueError)  # type: ignore[union-attr]
    assert settlement.action is Action.DEAD


@pytest.mark.parametrize("broken", ["on_retry", "after_return"])
def test_a_retry_with_a_broken_handler_is_a_retry(app: TQ, broken: str) -> None:
    _, run, settlement = perform(app, lambda self, x, a: self.retry(), broken=broken)
    assert run.outcome.state == states.RETRY  # type: ignore[union-attr]
    assert len(settlement.publish) == 1
    assert settlement.result is not None
    assert settlement.result.status == states.RETRY


@pytest.mark.parametrize(("requeue", "action"), [(True, Action.REQUEUE), (False, Action.DEAD)])
def test_a_rejection_with_a_broken_handler_is_a_rejection(app: TQ, requeue: bool, action: Action) -> None:
    def body(self: Any, x: int, a: int) -> None:
        raise Reject("no", requeue=requeue)

    _, _, settlement = perform(app, body, broken="after_return")
    assert settlement.action is action
