"""The outer form of `task_routes`; what the routes do is decided where tasks are routed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Router = Mapping[Any, Any] | Callable[..., Any] | str | Sequence[Any]
Routes = Mapping[Any, Any] | Sequence[Router] | Callable[..., Any] | str
_EXPECTED = (
    "a mapping of a task's name or pattern to a route, a list of (pattern, route) pairs, mappings and "
    "routers, or one router (a function or its dotted path)"
)


def check_routes(value: Any) -> Routes | None:
    """Return the routes as they are. Raises `ValueError` where no part of them could ever route."""
    if value is None or isinstance(value, str | Mapping) or callable(value):
        return value  # type: ignore[no-any-return]
    if isinstance(value, Sequence) and all(_is_router(item) for item in value):
        return value
    raise ValueError(_EXPECTED)


def _is_router(item: Any) -> bool:
    if isinstance(item, str | Mapping) or callable(item) or hasattr(item, "route_for_task"):
        return True
    return _is_pair(item) or (isinstance(item, Sequence) and all(_is_pair(each) for each in item))


def _is_pair(item: Any) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2
