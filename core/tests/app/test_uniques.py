"""`unique_for` and `unique_key`: of several calls one waits or runs, and all get its result."""

from __future__ import annotations

from typing import Any

import pytest

from core.tests.app.conftest import MakeApp, RunWorker
from core.tests.app.sent import sent
from tq import TQ
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured, InvalidTask, TaskRevoked
from tq.records import Message
from tq.testing.waiting import eventually

WAIT = 20.0


def add_to(app: TQ, ran: list[Any], **options: Any) -> Any:
    @app.task(name="work", **options)  # type: ignore[untyped-decorator]
    def work(*args: Any, **kwargs: Any) -> Any:
        ran.append((args, kwargs))
        return len(ran)

    return work


def test_a_second_call_gets_the_result_of_the_first(app: TQ, run_worker: RunWorker) -> None:
    ran: list[Any] = []
    work = add_to(app, ran, unique_for=60)
    first, second = work.delay(1, x=2), work.delay(1, x=2)
    other = work.delay(1, x=3)
    assert first.id == second.id != other.id
    with run_worker(app):
        assert second.get(timeout=WAIT) == 1
        assert other.get(timeout=WAIT) == 2
        third = work.delay(1, x=2)
        assert third.id != first.id
        assert third.get(timeout=WAIT) == 3


def test_a_call_may_say_it_for_itself_and_name_the_key(app: TQ) -> None:
    work = add_to(app, [])
    first = work.apply_async((1,), unique_for=60, unique_key="a")
    assert work.apply_async((2,), unique_for=60, unique_key="a").id == first.id
    assert work.apply_async((1,), unique_for=60, unique_key="b").id != first.id
    assert app.send_task("work", (3,), unique_for=60, unique_key="a").id == first.id
    assert app.send_task("another", (3,), unique_for=60, unique_key="a").id != first.id
    assert len({work.delay(1).id for _ in range(2)} | {first.id}) == 3


def test_a_task_may_make_the_key_of_the_arguments(app: TQ) -> None:
    work = add_to(app, [], unique_for=60, unique_key=lambda user, **_: f"user-{user}")
    assert work.delay(1, x=1).id == work.delay(1, x=2).id != work.delay(2).id


@pytest.mark.parametrize("end", ["fails", "retries", "is revoked", "is given back"])
def test_the_lock_ends_when_the_task_ends_however_it_does(app: TQ, run_worker: RunWorker, end: str) -> None:
    seen: list[str] = []

    @app.task(bind=True, name="work", unique_for=60)
    def work(self: Any) -> str:
        if end == "fails":
            raise ValueError
        if end == "retries" and not self.request.retries:
            raise self.retry(countdown=0)
        if end == "retries":
            # The lock has gone on with the retry.
            seen.append(work.delay().id)
        return "done"

    first = work.delay()
    if end == "is revoked":
        app.revoke([first.id])
    if end == "is given back":
        (delivery,) = sent(app)
        app.broker.release(app.broker.consumer(["celery"], "c", lease=60).id)
        assert isinstance(delivery.message, Message)
        assert work.delay().id == first.id
        return
    with run_worker(app):
        if end in ("fails", "is revoked"):
            with pytest.raises(ValueError if end == "fails" else TaskRevoked):
                first.get(timeout=WAIT)
        else:
            assert first.get(timeout=WAIT) == "done"
            assert seen == [first.id]
    assert work.delay().id != first.id


def test_with_acks_late_off_the_lock_is_kept_while_the_task_runs(app: TQ, run_worker: RunWorker) -> None:
    seen: list[str] = []

    @app.task(name="work", unique_for=60, acks_late=False)
    def work() -> None:
        seen.append(work.delay().id)

    first = work.delay()
    with run_worker(app):
        first.get(timeout=WAIT)
        assert seen == [first.id]
        # The result is there a moment before the lock is gone.
        another_than(first, work).get(timeout=WAIT)


def another_than(first: Any, work: Any) -> Any:
    """The next call of `work` that is sent."""
    return eventually(lambda: again if (again := work.delay()).id != first.id else None, "another run")


def test_after_its_seconds_a_second_one_is_sent(app: TQ) -> None:
    work = add_to(app, [], unique_for=0.05)
    first = work.delay()
    another_than(first, work)


def test_members_of_canvases_are_all_sent(app: TQ) -> None:
    from tq import group

    work = add_to(app, [], unique_for=60)
    group(work.s(1), work.s(1))()
    assert len(sent(app)) == 2


def test_a_broker_without_locks_is_refused(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    monkeypatch.setattr(type(app.broker), "capabilities", type(app.broker).capabilities & ~Cap.LOCKS)
    with pytest.raises(ImproperlyConfigured, match="keeps no locks"):
        add_to(app, [], unique_for=60).delay()


@pytest.mark.parametrize(
    "options",
    [{"unique_for": 0}, {"unique_for": "x"}, {"unique_for": 1e12}, {"unique_for": 1, "unique_key": 7}],
)
def test_what_means_nothing_is_refused(app: TQ, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTask, match="unique_"):
        add_to(app, []).apply_async(**options)


def test_arguments_that_cannot_be_compared_need_a_key(app: TQ) -> None:
    work = add_to(app, [], unique_for=60)
    with pytest.raises(InvalidTask, match="unique_key"):
        work.delay(object())
