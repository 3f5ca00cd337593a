"""What a caller holds after sending a task: its id, and the way to its state and result."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tq import states
from tq.client.lineage import Lineage
from tq.client.waiter import Waiter
from tq.client.waiting import as_they_end
from tq.errors import ImproperlyConfigured, ResultTimeout, WaitInTask
from tq.records import TaskMeta
from tq.request import current_request

if TYPE_CHECKING:
    from tq.contracts.results import ResultBackend

T_co = TypeVar("T_co", covariant=True)


class ResultSource(Protocol):
    """What a result needs of its app."""

    @property
    def backend(self) -> ResultBackend | None: ...

    @property
    def waiter(self) -> Waiter: ...

    def rebuild(self, document: Any) -> BaseException:
        """The exception that a failure document describes."""

    def revoke(self, task_ids: Sequence[str], *, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Make these tasks not run, or end them."""


class AsyncResult(Lineage, Generic[T_co]):
    """The result of one task, now or later. Reading asks the result backend; a final state is kept.

    Await it, or call `get`. Without a result backend everything but `id` raises `ImproperlyConfigured`.
    """

    TimeoutError = ResultTimeout
    """What `get` raises, as Celery's results name it."""
    ignored: bool = False
    """Whether its call asked for no result: there is none to wait for, and `get` returns None at once."""

    def __init__(self, id: str, app: ResultSource, *, parent: Any = None) -> None:
        self.id = id
        self.parent = parent
        self._source = app
        self._final: TaskMeta | None = None

    # -- waiting -------------------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        *,
        disable_sync_subtasks: bool = True,
    ) -> T_co:
        """Wait for the result, at most `timeout` seconds (None: for ever), and return it.

        Raises the task's exception unless `propagate` is False (then it is returned), `ResultTimeout`, and
        `WaitInTask` inside a task unless `disable_sync_subtasks` is False. `interval` is accepted for
        Celery's sake; back ends that cannot push choose their own.
        """
        if self.ignored:
            return None  # type: ignore[return-value]
        if disable_sync_subtasks and current_request.get() is not None:
            raise WaitInTask(
                "never wait for a result inside a task: it may hold the slot that the other task needs; use a "
                "callback, or get(disable_sync_subtasks=False) where you are sure"
            )
        value: T_co = self._value(self._wait(timeout), propagate)
        return value

    wait = get

    def __await__(self) -> Generator[Any, None, T_co]:
        return self.aget().__await__()

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> T_co:
        """`get` for async code; thousands may be awaited at once."""
        if self.ignored:
            return None  # type: ignore[return-value]
        if self._final is None:
            self._backend()
            self._final = await self._source.waiter.wait(self.id, timeout)
        value: T_co = self._value(self._final, propagate)
        return value

    def _wait(self, timeout: float | None) -> TaskMeta:
        if self._final is not None:
            return self._final
        for _, meta in as_they_end(self._backend(), [self.id], timeout):
            self._final = meta
        assert self._final is not None
        return self._final

    def _value(self, meta: TaskMeta, propagate: bool) -> Any:
        if meta.status not in states.PROPAGATE_STATES:
            return meta.result
        exc = self._exception(meta)
        if propagate:
            raise exc
        return exc

    def _exception(self, meta: TaskMeta) -> BaseException:
        exc = self._source.rebuild(meta.result)
        if meta.traceback:
            # The traceback is of another process; as a note it is shown with this one.
            exc.add_note(f"in the worker:\n{meta.traceback}")
        return exc

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The app that asks for it."""
        return self._source

    @property
    def backend(self) -> ResultBackend | None:
        """Where the app keeps results."""
        return self._source.backend

    @property
    def task_id(self) -> str:
        """The id, by Celery's other name."""
        return self.id

    @property
    def state(self) -> str:
        """The state now; PENDING also for ids that nobody knows."""
        meta = self._meta()
        return states.PENDING if meta is None else meta.status

    status = state

    @property
    def result(self) -> Any:
        """The return value, the exception, or what `update_state` stored; None while there is nothing."""
        meta = self._meta()
        if meta is None:
            return None
        return self._exception(meta) if meta.status in states.EXCEPTION_STATES else meta.result

    info = result

    @property
    def traceback(self) -> str | None:
        """The traceback of a failure, as text."""
        meta = self._meta()
        return meta.traceback if meta else None

    @property
    def children(self) -> list[Any] | None:
        """Results of the tasks that this one sent; None while it is not known."""
        meta = self._meta()
        if meta is None or meta.children is None:
            return None
        return [from_tuple(child, self._source) for child in meta.children]

    @property
    def date_done(self) -> str | None:
        """When it ended, ISO 8601."""
        meta = self._meta()
        return meta.date_done if meta else None

    def _extended(self, field: str) -> Any:
        meta = self._meta()
        return getattr(meta, field) if meta else None

    @property
    def name(self) -> str | None:
        """The task's name (stored with `result_extended`)."""
        return self._extended("name")  # type: ignore[no-any-return]

    @property
    def args(self) -> Any:
        """Its positional arguments (stored with `result_extended`)."""
        return self._extended("args")

    @property
    def kwargs(self) -> Any:
        """Its keyword arguments (stored with `result_extended`)."""
        return self._extended("kwargs")

    @property
    def worker(self) -> str | None:
        """The worker that ran it (stored with `result_extended`)."""
        return self._extended("worker")  # type: ignore[no-any-return]

    @property
    def retries(self) -> int | None:
        """How often it was retried (stored with `result_extended`)."""
        return self._extended("retries")  # type: ignore[no-any-return]

    @property
    def queue(self) -> str | None:
        """The queue it came from (stored with `result_extended`)."""
        return self._extended("queue")  # type: ignore[no-any-return]

    @property
    def stamps(self) -> dict[str, Any] | None:
        """Its stamps (stored with `result_extended`)."""
        return self._extended("stamps")  # type: ignore[no-any-return]

    def ready(self) -> bool:
        """Whether it succeeded, failed or was revoked."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        """Whether it succeeded."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether it failed."""
        return self.state == states.FAILURE

    def maybe_throw(self, propagate: bool = True) -> Any:
        """The result as it is now; raises the exception of a task that failed, unless `propagate` is False."""
        meta = self._meta()
        return None if meta is None else self._value(meta, propagate)

    maybe_reraise = maybe_throw
    throw = maybe_throw

    def exists(self) -> bool:
        """Whether anything is kept of this task: an id that nobody knows is PENDING as well."""
        return self._meta() is not None

    # -- acting --------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Remove state and result from the backend, and those of what ran before it in its chain."""
        leaves: list[AsyncResult[Any]] = []
        for each in self._lineage():
            leaves += each._leaves() if hasattr(each, "_leaves") else [each]
        for leaf in leaves:
            leaf._final = None
        self._backend().forget([leaf.id for leaf in leaves])

    def revoke(self, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Make it not run; with `terminate` end it where it runs."""
        self._source.revoke([self.id], terminate=terminate, signal=signal)

    # ------------------------------------------------------------------------------------------------------

    def _backend(self) -> ResultBackend:
        backend = self._source.backend
        if backend is None:
            raise ImproperlyConfigured(
                "no result backend is configured, so results are not kept; set result_backend, for example "
                'TQ(..., backend="redis://localhost/1")'
            )
        return backend

    def _meta(self) -> TaskMeta | None:
        if self._final is None:
            meta = self._backend().get([self.id]).get(self.id)
            if meta is None or meta.status not in states.READY_STATES:
                return meta
            self._final = meta
        return self._final

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncResult) and other.id == self.id


class EagerResult(AsyncResult[T_co]):
    """The result of a task that ran at once in this process (`apply`, `task_always_eager`)."""

    def __init__(self, id: str, app: ResultSource, meta: TaskMeta, value: Any) -> None:
        super().__init__(id, app)
        self._final: TaskMeta = meta
        self._eager_value = value

    def _value(self, meta: TaskMeta, propagate: bool) -> Any:
        if propagate and meta.status in states.PROPAGATE_STATES:
            raise self._eager_value
        return self._eager_value

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        *,
        disable_sync_subtasks: bool = True,
    ) -> T_co:
        """The value, or the exception; nothing has to be waited for."""
        value: T_co = self._value(self._final, propagate)
        return value

    wait = get

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> T_co:
        """`get` for async code."""
        return self.get(propagate=propagate)

    def _meta(self) -> TaskMeta:
        return self._final

    @property
    def result(self) -> Any:
        """The return value or the exception itself."""
        return self._eager_value

    info = result

    def forget(self) -> None:
        """Nothing is stored."""

    def revoke(self, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Too late: it ran already."""


def from_tuple(value: Any, source: ResultSource) -> Any:
    """Read `as_tuple`'s form, as it comes out of result documents: an `AsyncResult` or a `GroupResult`."""
    heads = []
    while value:
        head, members = value if isinstance(value, (list, tuple)) else ((value, None), None)
        task_id, value = head if isinstance(head, (list, tuple)) else (head, None)
        heads.append((task_id, members))
    result: Any = None
    # From the oldest on: chains may be long.
    for task_id, members in reversed(heads):
        if members is None:
            result = AsyncResult(task_id, source, parent=result)
        else:
            from tq.client.groups import group_of

            result = group_of(task_id, members, source, result)
    return result
