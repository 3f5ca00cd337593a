"""Results of many tasks: a set of them, and those of a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tq import states
from tq.client.result import AsyncResult, ResultSource, from_tuple
from tq.client.waiting import as_they_end
from tq.errors import ImproperlyConfigured, WaitInTask
from tq.request import current_request

if TYPE_CHECKING:
    from tq.contracts.results import ResultBackend

Result = Any
"""An `AsyncResult`, or a `GroupResult` where a member ends in a group."""


class ResultSet:
    """Several results, in their order. Reading many of them costs one question to the backend."""

    def __init__(self, results: Iterable[Result], app: Any = None) -> None:
        self.results: list[Result] = list(results)
        found = app or next((result._source for result in self.results), None)
        if found is None:
            raise ImproperlyConfigured(
                "an empty set of results needs to know its app: ResultSet([], app=app)"
            )
        self._source: ResultSource = found

    # -- changing the set ----------------------------------------------------------------------------------

    def add(self, result: Result) -> None:
        """Append a result, unless it is there."""
        if result not in self.results:
            self.results.append(result)

    def update(self, results: Iterable[Result]) -> None:
        """Add several."""
        for result in results:
            self.add(result)

    def remove(self, result: Result | str) -> None:
        """Take a result out, or the one with this id. Raises `KeyError` where there is none."""
        wanted = result if isinstance(result, str) else result.id
        kept = [each for each in self.results if each.id != wanted]
        if len(kept) == len(self.results):
            raise KeyError(wanted)
        self.results[:] = kept

    def discard(self, result: Result | str) -> None:
        """Take a result out if it is there."""
        wanted = result if isinstance(result, str) else result.id
        self.results[:] = [each for each in self.results if each.id != wanted]

    def clear(self) -> None:
        """Take all out."""
        self.results.clear()

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        """The app that asks for them."""
        return self._source

    @property
    def backend(self) -> ResultBackend | None:
        """Where the app keeps results."""
        return self._source.backend

    def ready(self) -> bool:
        """Whether all have ended."""
        return all(state in states.READY_STATES for state in self._states())

    def successful(self) -> bool:
        """Whether all succeeded."""
        return all(state == states.SUCCESS for state in self._states())

    def failed(self) -> bool:
        """Whether one failed."""
        return any(state == states.FAILURE for state in self._states())

    def waiting(self) -> bool:
        """Whether one has not ended."""
        return not self.ready()

    def completed_count(self) -> int:
        """How many succeeded."""
        return sum(state == states.SUCCESS for state in self._states())

    def _leaves(self) -> list[AsyncResult[Any]]:
        """The results of tasks; those of nested groups among them."""
        found: list[AsyncResult[Any]] = []
        for result in self.results:
            found += result._leaves() if isinstance(result, ResultSet) else [result]
        return found

    def _states(self) -> list[str]:
        leaves = self._leaves()
        open_ids = [leaf.id for leaf in leaves if leaf._final is None]
        known = self._backend().get(open_ids) if open_ids else {}
        for leaf in leaves:
            meta = known.get(leaf.id)
            if meta is not None and meta.status in states.READY_STATES:
                leaf._final = meta
        return [
            leaf._final.status
            if leaf._final
            else known[leaf.id].status
            if leaf.id in known
            else states.PENDING
            for leaf in leaves
        ]

    # -- waiting -------------------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float | None = None,
        callback: Callable[[str, Any], Any] | None = None,
        *,
        disable_sync_subtasks: bool = True,
    ) -> list[Any]:
        """Wait for all, and return their values in order; those of nested groups are lists.

        Raises the first exception in that order unless `propagate` is False (then it is among the values),
        `ResultTimeout` and `WaitInTask` as `AsyncResult.get`. `callback(task_id, value)` is called for each.
        """
        for _ in self._as_they_end(timeout, disable_sync_subtasks):
            pass
        values = [self._value_of(result, propagate) for result in self.results]
        if callback is not None:
            for result, value in zip(self.results, values, strict=True):
                callback(result.id, value)
        return values

    join = get
    join_native = get

    def iterate(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """(task id, value) of each task as it ends, whatever the order."""
        for leaf in self._as_they_end(timeout, disable_sync_subtasks):
            yield leaf.id, leaf._value(leaf._final, propagate)  # type: ignore[arg-type]

    def iter_native(self, timeout: float | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """(task id, document) of each task as it ends."""
        for leaf in self._as_they_end(timeout, True):
            meta = leaf._final
            assert meta is not None
            yield leaf.id, {"task_id": leaf.id, "status": meta.status, "result": meta.result}

    def _as_they_end(self, timeout: float | None, refuse_in_task: bool) -> Iterator[AsyncResult[Any]]:
        if refuse_in_task and current_request.get() is not None:
            raise WaitInTask("never wait for results inside a task; use a chord, whose body gets them all")
        leaves: dict[str, list[AsyncResult[Any]]] = {}
        for leaf in self._leaves():
            if leaf._final is None:
                leaves.setdefault(leaf.id, []).append(leaf)
            else:
                yield leaf
        if not leaves:
            return
        for task_id, meta in as_they_end(self._backend(), leaves, timeout):
            for leaf in leaves[task_id]:
                leaf._final = meta
                yield leaf

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self.aget().__await__()

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """`get` for async code."""
        import asyncio

        waits = [leaf.aget(timeout, propagate=False) for leaf in self._leaves()]
        await asyncio.gather(*waits)
        return [self._value_of(result, propagate) for result in self.results]

    async def aiterate(
        self, timeout: float | None = None, propagate: bool = True
    ) -> AsyncIterator[tuple[str, Any]]:
        """`iterate` for async code: (task id, value) of each task as it ends."""
        import asyncio

        leaves = {leaf.id: leaf for leaf in self._leaves()}
        waits = [asyncio.ensure_future(_ended(leaf, timeout)) for leaf in leaves.values()]
        try:
            for wait in asyncio.as_completed(waits):
                leaf = await wait
                yield leaf.id, leaf._value(leaf._final, propagate)  # type: ignore[arg-type]
        finally:
            for left in waits:
                left.cancel()

    def _value_of(self, result: Result, propagate: bool) -> Any:
        if isinstance(result, ResultSet):
            return [result._value_of(each, propagate) for each in result.results]
        return result._value(result._final, propagate)

    def maybe_throw(self) -> None:
        """Raise the exception of the first that failed, if one did."""
        for leaf in self._leaves():
            leaf.maybe_throw()

    maybe_reraise = maybe_throw

    # -- acting --------------------------------------------------------------------------------------------

    def revoke(self, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Make those not run that have not begun; with `terminate` end them where they run."""
        self._source.revoke([leaf.id for leaf in self._leaves()], terminate=terminate, signal=signal)

    def forget(self) -> None:
        """Remove states and results from the backend."""
        leaves = self._leaves()
        for leaf in leaves:
            leaf._final = None
        self._backend().forget([leaf.id for leaf in leaves])

    # ------------------------------------------------------------------------------------------------------

    def _backend(self) -> ResultBackend:
        backend = self._source.backend
        if backend is None:
            raise ImproperlyConfigured(
                "no result backend is configured, so results are not kept; set result_backend"
            )
        return backend

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, index: int) -> Result:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: [{', '.join(result.id for result in self.results)}]>"


class GroupResult(ResultSet):
    """The results of a group, with its id. `parent` is the result of what ran before it."""

    def __init__(
        self,
        id: str,
        results: Iterable[Result],
        app: Any = None,
        *,
        parent: Result | None = None,
    ) -> None:
        super().__init__(results, app)
        self.id = id
        self.parent = parent

    @property
    def children(self) -> list[Result]:
        """The members."""
        return self.results

    def save(self) -> None:
        """Keep the ids, so that `restore` finds the group by its own."""
        self._backend().save_group(self.id, self.as_tuple())

    def delete(self) -> None:
        """Remove what `save` kept."""
        self._backend().forget_group(self.id)

    @classmethod
    def restore(cls, id: str, app: Any) -> GroupResult | None:
        """The group that `save` kept, or None."""
        if app.backend is None:
            raise ImproperlyConfigured(
                "no result backend is configured, so no group is kept; set result_backend"
            )
        found = app.backend.load_group(id)
        made = None if found is None else from_tuple(found, app)
        return made if made is None or isinstance(made, GroupResult) else GroupResult(id, [made], app)

    def as_tuple(self) -> tuple[Any, Any]:
        """Celery's form of a result inside messages."""
        parent = self.parent.as_tuple() if self.parent is not None else None
        return (self.id, parent), [result.as_tuple() for result in self.results]

    def as_list(self) -> list[str]:
        """The ids of the members."""
        return [leaf.id for leaf in self._leaves()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupResult):
            return NotImplemented
        return other.id == self.id and other.results == self.results

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} [{', '.join(result.id for result in self.results)}]>"


async def _ended(leaf: AsyncResult[Any], timeout: float | None) -> AsyncResult[Any]:
    await leaf.aget(timeout, propagate=False)
    return leaf


def group_of(head: Any, members: Sequence[Any], source: ResultSource, parent: Result | None) -> GroupResult:
    """A group as `from_tuple` reads it."""
    return GroupResult(head, [from_tuple(member, source) for member in members], source, parent=parent)
