"""The current app: the one that shared tasks and `current_app` mean."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.app.task import Task


class _Ambient:
    """The only mutable state of the module: the current app, all apps, and the tasks shared by them."""

    def __init__(self) -> None:
        self.app: TQ | None = None
        self.apps: weakref.WeakSet[TQ] = weakref.WeakSet()
        self.shared: list[Task[..., Any]] = []


_ambient = _Ambient()


def get_current_app() -> TQ:
    """The app that was made or set last; a default one where there is none."""
    if _ambient.app is None:
        from tq.app.app import TQ

        TQ("default", set_as_current=True)
    assert _ambient.app is not None
    return _ambient.app


def set_current_app(app: TQ) -> None:
    """Make `app` the one that shared tasks mean."""
    _ambient.app = app


def enter(app: TQ) -> None:
    """A new app exists; it gets the tasks that were shared before."""
    _ambient.apps.add(app)
    for task in _ambient.shared:
        _give(task, app)


def leave(app: TQ) -> None:
    """An app was closed."""
    _ambient.apps.discard(app)
    if _ambient.app is app:
        _ambient.app = None


def share(task: Task[..., Any]) -> None:
    """Give a task to all apps, those to come as well."""
    _ambient.shared.append(task)
    for app in list(_ambient.apps):
        _give(task, app)


def _give(task: Task[..., Any], app: TQ) -> None:
    from tq.app.make import bound_to

    # A worker of this app runs it, and its retries go where this app's tasks go, whichever app is current.
    app.tasks.add(bound_to(task, app))


def all_apps() -> list[TQ]:
    """Every app of this process."""
    return list(_ambient.apps)


class _CurrentApp:
    """Stands for the current app wherever `current_app` was imported."""

    def __getattr__(self, name: str) -> Any:
        return getattr(get_current_app(), name)

    def __repr__(self) -> str:
        return repr(get_current_app())


current_app: TQ = cast("TQ", _CurrentApp())
