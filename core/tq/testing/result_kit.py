"""What the result backend tests share: backends that are closed at the end, and documents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from tq.contracts.results import ResultBackend
from tq.contracts.serializer import Serializer
from tq.errors import BackendError
from tq.records import TaskMeta
from tq.testing.waiting import eventually, survive

TODAY = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
"""When these tasks ended, unless a test says otherwise."""


class ResultKit:
    """The plugin under test, and how patient to be with it."""

    def __init__(
        self,
        backend_class: type[ResultBackend],
        url: str,
        options: Mapping[str, Any],
        serializer: Serializer,
        slow_factor: float,
    ) -> None:
        self.backend_class = backend_class
        self.url = url
        self.options = options
        self.serializer = serializer
        self.patience = 15.0 * slow_factor
        """How long to wait, in seconds, for what must come."""
        self.moment = 0.1 * slow_factor
        """How long to wait, in seconds, for what must not come."""
        self._open: list[ResultBackend] = []

    def backend(self, url: str | None = None, expires: float | None = 3600.0) -> ResultBackend:
        """A new connection, as another process would make it."""
        made = self.backend_class(
            self.url if url is None else url,
            dict(self.options),
            serializer=self.serializer,
            expires=expires,
        )
        self._open.append(made)
        return made

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.pop().close()

    def eventually(self, condition: Callable[[], Any], what: str) -> Any:
        """Call `condition` until it answers something true, or fail when patience is over."""
        return eventually(condition, what, seconds=self.patience)

    def survive(self, call: Callable[[], Any]) -> Any:
        """Call again while the store is away, as a worker does."""
        return survive(call, BackendError)


def success(task_id: str, result: Any = None, **more: Any) -> TaskMeta:
    """The document of a task that ended well."""
    more.setdefault("date_done", TODAY)
    return TaskMeta(task_id, "SUCCESS", result, **more)


def now() -> str:
    """This moment, as `TaskMeta.date_done` says it."""
    return dt.datetime.now(dt.UTC).isoformat()


def failure(task_id: str) -> TaskMeta:
    """The document of a task that failed, as Celery writes it."""
    error = {"exc_type": "ValueError", "exc_message": ["größe", 3], "exc_module": "builtins"}
    return TaskMeta(
        task_id,
        "FAILURE",
        error,
        traceback="Traceback ...\nValueError: größe",
        date_done=TODAY,
    )
