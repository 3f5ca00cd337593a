"""`shared_task`: tasks of libraries, which do not know the app that will run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from tq.app.current import share
from tq.app.decorators import BoundTaskDecorator, TaskDecorator
from tq.app.make import make_task
from tq.app.task import Task

if TYPE_CHECKING:
    from typing import Unpack

    from tq.app.keywords import TaskKeywords

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Task[..., Any])


@overload
def shared_task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(
    *, bind: Literal[True], **options: Unpack[TaskKeywords]
) -> BoundTaskDecorator[Task[..., Any]]: ...
@overload
def shared_task(*, bind: Literal[True], base: type[S], **options: Any) -> BoundTaskDecorator[S]: ...
@overload
def shared_task(*, bind: Literal[False] = ..., **options: Unpack[TaskKeywords]) -> TaskDecorator: ...
@overload
def shared_task(
    *, base: type[Task[..., Any]], bind: Literal[False] = ..., **options: Any
) -> TaskDecorator: ...
def shared_task(fn: Any = None, **options: Any) -> Any:
    """Make a function a task of every app, those to come as well; calling it uses the current app."""
    if fn is not None:
        return _shared(fn, options)
    return lambda function: _shared(function, options)


def _shared(function: Callable[..., Any], options: dict[str, Any]) -> Task[..., Any]:
    task = make_task(function, None, options)
    share(task)
    return task
