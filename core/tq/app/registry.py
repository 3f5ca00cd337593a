"""The tasks of an app, by name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from tq.errors import AlreadyRegistered, NotRegistered

if TYPE_CHECKING:
    from tq.app.task import Task


class TaskRegistry(dict[str, "Task[..., Any]"]):
    """A dictionary of tasks. Two different functions under one name are refused; the same one may come again."""

    def add(self, task: Task[..., Any]) -> None:
        """Register a task under its name."""
        there = self.get(task.name)
        if there is not None and there is not task and not _same(there, task):
            raise AlreadyRegistered(
                f"two tasks are called {task.name!r}: {_where(there)} and {_where(task)}; "
                "give one of them another name="
            )
        self[task.name] = task

    def __missing__(self, name: str) -> Task[..., Any]:
        raise NotRegistered(f"no task {name!r} is registered; is its module imported (include=)?")


def _where(task: Task[..., Any]) -> str:
    function = _function(task)
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"


def _function(task: Task[..., Any]) -> Any:
    return getattr(task, "__wrapped__", task.run)


def _same(one: Task[..., Any], other: Task[..., Any]) -> bool:
    """A module that is reloaded, or imported as __main__ and by name, brings its tasks again."""
    return _origin(one) == _origin(other)


def _origin(task: Task[..., Any]) -> tuple[object, object]:
    function = inspect.unwrap(_function(task))
    code = getattr(function, "__code__", None)
    source = code.co_filename if code is not None else getattr(function, "__module__", None)
    return source, getattr(function, "__qualname__", None)
