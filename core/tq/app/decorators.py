"""The types of what `app.task(...)` returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from tq.app.task import Task

P = ParamSpec("P")
R = TypeVar("R")
S_co = TypeVar("S_co", bound=Task[..., Any], covariant=True)


class TaskDecorator(Protocol):
    """Makes a task of a function, with the function's own signature."""

    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...


class BoundTaskDecorator(Protocol[S_co]):
    """The same for a function whose first argument is the task itself."""

    def __call__(self, fn: Callable[Concatenate[S_co, P], R], /) -> Task[P, R]: ...
