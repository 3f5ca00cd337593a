"""`AsyncResult`: what it says about a task, and how it waits."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tq import TQ, AsyncResult, GroupResult, ResultTimeout, TaskRevoked, states
from tq.client import waiter
from tq.client.result import from_tuple
from tq.contracts.results import ResultBackend
from tq.errors import BackendUnavailable, ImproperlyConfigured, RemoteError, WaitInTask
from tq.records import TaskMeta
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.wire.exceptions import exception_document

READY = [states.SUCCESS, states.FAILURE, states.REVOKED]


def put(
    app: TQ, task_id: str, status: str = states.SUCCESS, result: Any = None, **more: Any
) -> AsyncResult[Any]:
    assert app.backend is not None
    app.backend.store([TaskMeta(task_id, status, result=result, **more)])
    return app.AsyncResult(task_id)


def failure(exc: BaseException) -> dict[str, Any]:
    return exception_document(exc)


def test_of_an_unknown_task_it_knows_nothing(app: TQ) -> None:
    result = app.AsyncResult("i")
    assert (result.state, result.status, result.result, result.info) == ("PENDING", "PENDING", None, None)
    assert (result.traceback, result.children, result.date_done, result.name) == (None, None, None, None)
    assert not (result.ready() or result.successful() or result.failed())


def test_it_has_celerys_other_names(app: TQ) -> None:
    result = put(app, "i", states.FAILURE, failure(ValueError("x")))
    assert (result.app, result.backend) == (app, app.backend)
    with pytest.raises(ValueError, match="x"):
        result.throw()
    with pytest.raises(result.TimeoutError):
        app.AsyncResult("nobody").get(timeout=0.01)
    group = GroupResult("g", [result], app=app)
    assert (group.app, group.backend) == (app, app.backend)
    with pytest.raises(ValueError, match="x"):
        group.maybe_reraise()


@pytest.mark.parametrize(
    "status", ["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED", "PROGRESS"]
)
def test_each_state_answers_the_questions_about_it(app: TQ, status: str) -> None:
    document = failure(ValueError("x")) if status in states.EXCEPTION_STATES else {"done": 1}
    result = put(app, "i", status, document)
    assert result.state == status
    assert result.ready() == (status in READY)
    assert result.successful() == (status == "SUCCESS")
    assert result.failed() == (status == "FAILURE")
    assert (
        isinstance(result.result, ValueError)
        if status in states.EXCEPTION_STATES
        else result.info == {"done": 1}
    )


def test_a_value_is_returned(app: TQ) -> None:
    assert put(app, "i", result=[1, {"a": None}]).get(timeout=1) == [1, {"a": None}]
    assert put(app, "none").get() is None


def test_a_failure_is_raised_with_the_traceback_of_the_worker(app: TQ) -> None:
    result = put(app, "i", states.FAILURE, failure(KeyError("k", 1)), traceback="Traceback ...")
    with pytest.raises(KeyError) as caught:
        result.get()
    assert caught.value.args == ("k", 1)
    assert caught.value.__notes__ == ["in the worker:\nTraceback ..."]
    assert isinstance(result.get(propagate=False), KeyError)
    assert result.traceback == "Traceback ..."


def test_a_foreign_exception_is_described(app: TQ) -> None:
    document = {"exc_type": "Denied", "exc_module": "shop.errors", "exc_message": ["no"]}
    with pytest.raises(RemoteError, match=r"shop\.errors\.Denied"):
        put(app, "i", states.FAILURE, document).get()


def test_a_revoked_task_raises(app: TQ) -> None:
    with pytest.raises(TaskRevoked, match="expired"):
        put(app, "i", states.REVOKED, failure(TaskRevoked("expired"))).get()


def test_the_time_to_wait_is_kept_and_the_error_says_what_to_look_at(app: TQ) -> None:
    with pytest.raises(ResultTimeout, match=r"task i was not ready within 0\.01 s.*tq status"):
        app.AsyncResult("i").get(timeout=0.01)
    with pytest.raises(TimeoutError):
        put(app, "j", "STARTED").get(timeout=0)


def test_it_returns_as_soon_as_the_result_is_there(app: TQ) -> None:
    timer = threading.Timer(0.02, put, (app, "i", states.SUCCESS, 5))
    timer.start()
    assert app.AsyncResult("i").get(timeout=30) == 5
    timer.join()


def test_a_final_state_is_kept_and_forget_drops_it(app: TQ) -> None:
    result = put(app, "i", result=1)
    assert result.get() == 1
    assert app.backend is not None
    app.backend.forget(["i"])
    assert result.get() == 1
    result.forget()
    assert result.state == "PENDING"


def test_extended_fields_children_and_parents(app: TQ) -> None:
    result = put(
        app, "i", name="t", args=[1], kwargs={"a": 2}, worker="w", retries=3, queue="q",
        children=[[["c", None], None], [["d", [["p", None], None]], None]], date_done="2026-01-01T00:00:00",
    )  # fmt: skip
    assert (result.name, result.args, result.kwargs) == ("t", [1], {"a": 2})
    assert (result.worker, result.retries, result.queue) == ("w", 3, "q")
    assert result.date_done == "2026-01-01T00:00:00"
    assert result.children is not None
    assert [child.id for child in result.children] == ["c", "d"]
    assert result.children[1].parent is not None
    assert result.children[1].as_list() == ["d", "p"]


def test_its_tuple_form_reads_back(app: TQ) -> None:
    result: AsyncResult[Any] = AsyncResult("i", app, parent=AsyncResult("p", app))
    assert result.as_tuple() == (("i", (("p", None), None)), None)
    back = from_tuple(result.as_tuple(), app)
    assert (back.id, back.parent) == ("i", result.parent)
    assert from_tuple("plain", app).id == "plain"


def test_results_of_one_id_are_equal(app: TQ) -> None:
    one: AsyncResult[Any] = AsyncResult("i", app)
    two: AsyncResult[Any] = AsyncResult("i", app=app)
    assert one == two
    assert len({one, two, AsyncResult("j", app)}) == 2
    assert (str(one), repr(one), one.task_id) == ("i", "<AsyncResult: i>", "i")
    assert one != "i"


def test_without_a_backend_it_says_what_to_configure() -> None:
    app = TQ("none", broker="memory://none", set_as_current=False)
    result = app.AsyncResult("i")
    for ask in (lambda: result.state, result.get, result.forget, lambda: asyncio.run(_await(result))):
        with pytest.raises(ImproperlyConfigured, match="set result_backend"):
            ask()


async def _await(result: AsyncResult[Any]) -> Any:
    return await result


def test_waiting_inside_a_task_is_refused_unless_asked_for(app: TQ) -> None:
    result = put(app, "i", result=1)
    token = current_request.set(Request(TaskCall("x", "t")))
    try:
        with pytest.raises(WaitInTask, match="disable_sync_subtasks=False"):
            result.get()
        assert result.get(disable_sync_subtasks=False) == 1
    finally:
        current_request.reset(token)


def test_an_outage_is_waited_for_within_the_timeout(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    put(app, "i", result=1)
    _break(monkeypatch, app, times=1)
    assert app.AsyncResult("i").get(timeout=30) == 1
    _break(monkeypatch, app, times=10**6)
    with pytest.raises(BackendUnavailable):
        app.AsyncResult("i").get(timeout=0.05)


def _break(monkeypatch: pytest.MonkeyPatch, app: TQ, times: int) -> None:
    backend: Any = app.backend
    wait, calls = type(backend).wait, itertools.count()

    def broken(task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        if next(calls) < times:
            raise BackendUnavailable("gone")
        found: Mapping[str, TaskMeta] = wait(backend, task_ids, timeout)
        return found

    monkeypatch.setattr(backend, "wait", broken)


def test_revoking_reaches_the_broker(app: TQ) -> None:
    app.AsyncResult("i").revoke(terminate=True, signal="SIGKILL")
    _, (revocation,) = app.broker.revoked(0)
    assert (revocation.task_id, revocation.terminate, revocation.signal) == ("i", True, "SIGKILL")


# -- awaiting ------------------------------------------------------------------------------------------------


def test_hundreds_are_awaited_at_once_by_a_few_threads_in_any_order(app: TQ) -> None:
    ids = [str(number) for number in range(600)]
    busiest = 0

    async def main() -> list[Any]:
        nonlocal busiest
        waiting = asyncio.gather(*(app.AsyncResult(task_id) for task_id in ids))
        await asyncio.sleep(0.02)
        for number, task_id in reversed(list(enumerate(ids))):
            put(app, task_id, result=number)
        busiest = sum(thread.name == "tq-await" for thread in threading.enumerate())
        return await waiting

    assert asyncio.run(main()) == list(range(600))
    assert 1 <= busiest <= waiter.THREADS


def test_a_slow_result_holds_up_no_other(app: TQ) -> None:
    async def main() -> list[int]:
        slow = [asyncio.create_task(_await(app.AsyncResult(f"never {n}"))) for n in range(50)]
        await asyncio.sleep(0.01)
        done = []
        for number in range(20):
            put(app, str(number), result=number)
            done.append(await app.AsyncResult(str(number)))
        for task in slow:
            task.cancel()
        return done

    assert asyncio.run(asyncio.wait_for(main(), 30)) == list(range(20))


def test_one_result_may_be_awaited_by_several(app: TQ) -> None:
    async def main() -> list[Any]:
        waiting = asyncio.gather(*(_await(app.AsyncResult("i")) for _ in range(3)))
        await asyncio.sleep(0.01)
        put(app, "i", result=7)
        return await waiting

    assert asyncio.run(main()) == [7, 7, 7]


def test_awaiting_raises_returns_and_times_out_like_get(app: TQ) -> None:
    put(app, "failed", states.FAILURE, failure(ValueError("x")))

    async def main() -> None:
        with pytest.raises(ValueError, match="x"):
            await app.AsyncResult("failed")
        assert isinstance(await app.AsyncResult("failed").aget(propagate=False), ValueError)
        with pytest.raises(ResultTimeout, match="was not ready"):
            await app.AsyncResult("never").aget(timeout=0.01)

    asyncio.run(main())


def test_the_threads_end_when_nothing_is_awaited_any_more(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiter, "SLICE", 0.01)

    async def main() -> None:
        with pytest.raises(ResultTimeout):
            await app.AsyncResult("never").aget(timeout=0.01)

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "tq-await":
            thread.join(timeout=10)
            assert not thread.is_alive()


def test_an_awaited_result_survives_an_outage_and_hears_of_a_bug(
    app: TQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(app, "i", result=1)
    _break(monkeypatch, app, times=1)
    assert asyncio.run(_await(app.AsyncResult("i"))) == 1

    def bug(task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        raise ZeroDivisionError

    backend: ResultBackend = app.backend  # type: ignore[assignment]
    monkeypatch.setattr(backend, "wait", bug)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(_await(app.AsyncResult("j")))
