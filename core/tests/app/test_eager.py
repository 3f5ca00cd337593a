"""Running tasks at once: `apply` and `task_always_eager`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.tests.app.sent import sent
from tq import TQ, EagerResult, Ignore, Reject
from tq.errors import MaxRetriesExceeded


def test_apply_runs_the_task_and_knows_its_result(app: TQ) -> None:
    @app.task(bind=True)
    def add(self: Any, x: int, y: int) -> tuple[int, bool, bool, str]:
        return x + y, self.request.is_eager, self.request.called_directly, self.request.id

    result = add.apply((1,), {"y": 2}, task_id="given")
    assert isinstance(result, EagerResult)
    assert result.get() == (3, True, False, "given")
    assert (result.id, result.state, result.result) == ("given", "SUCCESS", (3, True, False, "given"))
    assert result.info == result.result
    assert result.wait() == result.get()
    assert result.ready()
    assert result.successful()
    assert not result.failed()
    assert result.traceback is None
    assert result.retries == 0
    assert result.name == add.name
    result.revoke()
    result.forget()
    assert result.get() == (3, True, False, "given")
    assert sent(app) == []


def test_an_eager_result_is_the_value_itself_and_can_be_awaited(app: TQ) -> None:
    value = object()

    async def main(result: EagerResult[object]) -> object:
        return await result

    result = app.task(name="t")(lambda: value).apply()
    assert result.get() is value
    assert asyncio.run(main(result)) is value


def test_a_failure_is_kept_or_raised(app: TQ) -> None:
    @app.task
    def fail() -> None:
        raise KeyError("x")

    result = fail.apply()
    assert (result.state, result.failed()) == ("FAILURE", True)
    assert isinstance(result.result, KeyError)
    assert result.get(propagate=False) is result.result
    assert result.traceback is not None
    assert "KeyError: 'x'" in result.traceback
    assert "execute.py" not in result.traceback
    with pytest.raises(KeyError):
        result.get()
    with pytest.raises(KeyError):
        fail.apply(throw=True)
    app.conf.task_eager_propagates = True
    with pytest.raises(KeyError):
        fail.apply()
    assert fail.apply(throw=False).failed()


def test_retries_run_at_once_up_to_the_limit(app: TQ) -> None:
    seen: list[tuple[int, tuple[Any, ...]]] = []

    @app.task(bind=True, max_retries=3)
    def flaky(self: Any, x: int) -> int:
        seen.append((self.request.retries, tuple(self.request.args)))
        if self.request.retries < 2:
            raise self.retry(args=(x + 1,), countdown=3600)
        return x

    result = flaky.apply((0,))
    assert result.get() == 2
    assert result.retries == 2
    assert seen == [(0, (0,)), (1, (1,)), (2, (2,))]


def test_with_no_retries_left_the_error_or_max_retries_exceeded_remains(app: TQ) -> None:
    @app.task(bind=True, max_retries=1)
    def own(self: Any) -> None:
        try:
            raise OSError("down")
        except OSError as exc:
            raise self.retry(exc=exc) from exc

    @app.task(bind=True, max_retries=0)
    def none(self: Any) -> None:
        self.retry()

    assert isinstance(own.apply().result, OSError)
    failed = none.apply((), task_id="i").result
    assert isinstance(failed, MaxRetriesExceeded)
    assert "none[i] was retried 0 times" in str(failed)


@pytest.mark.parametrize(("exc", "state"), [(Ignore(), "IGNORED"), (Reject("no"), "REJECTED")])
def test_a_task_that_ends_itself_otherwise_raises_nothing(app: TQ, exc: Exception, state: str) -> None:
    @app.task
    def stop() -> None:
        raise exc

    result = stop.apply(throw=True)
    assert result.state == state
    result.get()


def test_ignored_results_are_known_all_the_same(app: TQ) -> None:
    assert app.task(name="t", ignore_result=True)(lambda: 5).apply().get() == 5


def test_what_follows_runs_eagerly_too(app: TQ) -> None:
    seen: list[Any] = []
    note = app.task(name="note")(lambda *args: seen.append(args))
    add = app.task(name="add")(lambda x, y: x + y)
    fail = app.task(name="fail")(lambda: 1 / 0)
    add.apply((1, 2), link=[note.s("then"), add.s(1).set(link=note.s("last"))], link_error=note.s("not"))
    assert seen == [(3, "then"), (4, "last")]
    alarm = app.task(name="alarm")(lambda task_id, text: seen.append((task_id, text)))
    result = fail.apply(link=note.s("not"), link_error=alarm.s("failed"))
    assert seen[2:] == [(result.id, "failed")]


def test_always_eager_sends_nothing_and_checks_all_the_same(make_app: Any) -> None:
    app = make_app(task_always_eager=True)
    add = app.task(name="add")(lambda x, y: x + y)
    assert add.delay(1, 2).get() == 3
    assert add.s(1).apply_async((2,), countdown=60).get() == 3
    with pytest.raises(TypeError, match="missing"):
        add.delay(1)
    with pytest.raises(TypeError, match="no option"):
        add.apply_async((1, 2), countdwn=1)
    assert sent(app) == []


def test_async_tasks_run_eagerly(app: TQ) -> None:
    @app.task(bind=True)
    async def page(self: Any, url: str) -> str:
        await asyncio.sleep(0)
        return f"{url} {self.request.is_eager}"

    assert page.apply(("u",)).get() == "u True"


def test_handlers_are_called(app: TQ) -> None:
    seen: list[str] = []
    options: Any = {
        "before_start": lambda self, *args: seen.append("before_start"),
        "on_success": lambda self, *args: seen.append("on_success"),
        "after_return": lambda self, *args: seen.append("after_return"),
    }
    app.task(name="t", **options)(lambda: None).apply()
    assert seen == ["before_start", "on_success", "after_return"]


def test_an_eager_run_stores_no_states(app: TQ) -> None:
    @app.task(bind=True)
    def work(self: Any) -> None:
        self.update_state(state="PROGRESS", meta={"done": 1})

    result = work.apply()
    assert result.get() is None
    assert app.AsyncResult(result.id).state == "PENDING"


def test_an_eager_run_inside_another_has_its_own_request(app: TQ) -> None:
    inner = app.task(name="inner", bind=True)(lambda self: (self.request.id, self.request.parent_id))

    @app.task(bind=True)
    def outer(self: Any) -> Any:
        return inner.apply(task_id="in").get(), self.request.id

    assert outer.apply(task_id="out").get() == (("in", "out"), "out")
