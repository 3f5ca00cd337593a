"""From a function to a task object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tq.app.arguments import argument_check
from tq.app.modules import import_object, module_of_script
from tq.app.options import check_task, check_task_options
from tq.app.task import Task
from tq.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from tq.app.app import TQ

P = ParamSpec("P")
R = TypeVar("R")


def make_task(function: Callable[..., Any], app: TQ | None, options: Mapping[str, Any]) -> Task[..., Any]:
    """A task object around a function; without an app it belongs to the current one.

    Raises `ImproperlyConfigured` for options that do not exist or have values that cannot be kept.
    """
    if not callable(function) or isinstance(function, Task):
        raise ImproperlyConfigured(f"@app.task takes options by keyword, and a function: not {function!r}")
    given = dict(options)
    base = given.pop("base", None) or _base_of(app)
    given.setdefault("bind", False)
    plain = _plain_name(function)
    check_task_options(base, given, plain)
    name = given.pop("name", None) or _name_of(function, app, plain)
    namespace: dict[str, Any] = {
        **given,
        "name": name,
        "run": function if given["bind"] else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": getattr(function, "__qualname__", plain),
        "__wrapped__": staticmethod(function),
    }
    if callable(given.get("unique_key")):
        namespace["unique_key"] = staticmethod(given["unique_key"])
    task: Task[..., Any] = type(plain, (base,), namespace)()
    task._app = app
    check_task(task)
    if task.typing:
        task._check = argument_check(function, name, skip_first=given["bind"])
    return task


def adopt_task(task: Task[P, R] | type[Task[P, R]], app: TQ, options: Mapping[str, Any]) -> Task[P, R]:
    """A task object, or one of a class, as a task of the app. Raises `ImproperlyConfigured` as `make_task` does."""
    ready = task() if isinstance(task, type) else task
    if not isinstance(ready, Task):
        raise ImproperlyConfigured(f"register_task takes a task, or a class that derives from Task: {task!r}")
    check_task_options(type(ready), options, type(ready).__name__)
    for name, value in options.items():
        setattr(ready, name, value)
    if not ready.name:
        ready.name = app.gen_task_name(type(ready).__name__, type(ready).__module__)
    ready._app = app
    check_task(ready)
    if ready.typing and ready._check is None:
        ready._check = argument_check(ready.run, ready.name)
    return ready


def bound_to(task: Task[..., Any], app: TQ) -> Task[..., Any]:
    """A shared task as one app has it."""
    own = copy.copy(task)
    own._app = app
    return own


def _base_of(app: TQ | None) -> type[Task[..., Any]]:
    chosen = app._task_cls if app is not None else None
    found: type[Task[..., Any]] = import_object(chosen) if isinstance(chosen, str) else chosen or Task
    return found


def _plain_name(function: Callable[..., Any]) -> str:
    # functools.partial and callable objects have no name of their own.
    return getattr(function, "__name__", None) or type(function).__name__


def _name_of(function: Callable[..., Any], app: TQ | None, plain: str) -> str:
    if app is not None:
        return app.gen_task_name(plain, function.__module__)
    module = module_of_script() if function.__module__ == "__main__" else function.__module__
    return f"{module}.{plain}"
