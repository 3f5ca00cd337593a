"""What tasks and calls may be told, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from tq.canvas.stamps import names_of
from tq.client.call import CALL_OPTIONS, check_priority
from tq.errors import ImproperlyConfigured, InvalidTask
from tq.policy.ratelimit import parse_rate

if TYPE_CHECKING:
    from tq.app.task import Task

_FOR_THE_DECORATOR = frozenset({"name", "base", "bind"})
HANDLERS = ("before_start", "on_success", "on_failure", "on_retry", "after_return")
_ERRORS = ("autoretry_for", "dont_autoretry_for", "throws")
_DURATIONS = ("default_retry_delay", "retry_backoff_max", "time_limit", "soft_time_limit", "unique_for")
_METHODS = (FunctionType, property, staticmethod, classmethod)
OWN_CALL_OPTIONS = (
    "queue",
    "exchange",
    "routing_key",
    "priority",
    "expires",
    "serializer",
    "compression",
    "time_limit",
    "soft_time_limit",
    "ignore_result",
    "unique_for",
    "unique_key",
)
"""Calling options that a task may set for all its calls."""
RETRY_OPTIONS = frozenset(
    {
        "expires",
        "queue",
        "exchange",
        "exchange_type",
        "routing_key",
        "priority",
        "serializer",
        "compression",
        "headers",
        "link",
        "link_error",
        "time_limit",
        "soft_time_limit",
        "ignore_result",
        "shadow",
    }
)
"""What `Task.retry` can change besides arguments and times."""


def check_call_options(options: Iterable[str]) -> None:
    """Raises `TypeError` for an option that calls do not have, and that `stamped_headers` does not call a stamp."""
    stamps = names_of(options) if isinstance(options, Mapping) else ()
    _refuse_unknown("apply_async()", (option for option in options if option not in stamps), CALL_OPTIONS)


def check_retry_options(options: Iterable[str]) -> None:
    """Raises `TypeError` for an option that a retry cannot change."""
    _refuse_unknown("retry()", options, RETRY_OPTIONS)


def check_task_options(base: type, given: Iterable[str], name: str) -> None:
    """Raises `ImproperlyConfigured` for an option that neither tasks nor this base class have."""
    known = task_options(base) | _FOR_THE_DECORATOR | frozenset(HANDLERS)
    for option in given:
        if option not in known:
            raise ImproperlyConfigured(f"task {name!r}: unknown option {option!r}{hint(option, known)}")


def task_options(base: type) -> frozenset[str]:
    """The attributes of a task class that are options: public, set or declared, and no methods."""
    return frozenset(
        name
        for cls in base.__mro__
        for name, value in (dict.fromkeys(vars(cls).get("__annotations__", ())) | dict(vars(cls))).items()
        if not name.startswith("_") and not isinstance(value, (*_METHODS, type))
    )


def check_task(task: Task[..., Any]) -> None:
    """Bring a task's options into the form that the worker relies on.

    Raises `ImproperlyConfigured`, naming task and option, for values that cannot be kept.
    """
    try:
        for option in _ERRORS:
            _set_if_other(task, option, _error_classes(getattr(task, option), option))
        for option in _DURATIONS:
            _check_number(getattr(task, option), option)
        _check_number(task.retry_backoff, "retry_backoff")
        _check_count(task.max_retries, "max_retries")
        parse_rate(task.rate_limit)
        check_priority(task.priority, task.name)
    except (ImproperlyConfigured, InvalidTask) as exc:
        raise ImproperlyConfigured(f"task {task.name!r}: {exc}") from None


def _set_if_other(task: Task[..., Any], option: str, value: Any) -> None:
    if getattr(task, option) != value:
        setattr(task, option, value)


def _error_classes(value: Any, option: str) -> tuple[type[BaseException], ...]:
    found = (value,) if isinstance(value, type) else tuple(value or ())
    for error in found:
        if not isinstance(error, type) or not issubclass(error, BaseException):
            raise ImproperlyConfigured(f"{option} takes exception classes, not {error!r}")
    return found


def _check_number(value: Any, option: str) -> None:
    if value is not None and (not isinstance(value, (int, float)) or not 0 <= value < float("inf")):
        raise ImproperlyConfigured(f"{option} is a number from 0 up, not {value!r}")


def _check_count(value: Any, option: str) -> None:
    if value is not None and (type(value) is not int or value < 0):
        raise ImproperlyConfigured(f"{option} is a whole number from 0 up, or None for no end, not {value!r}")


def _refuse_unknown(what: str, options: Iterable[str], known: frozenset[str]) -> None:
    for option in options:
        if option not in known:
            raise TypeError(f"{what} has no option {option!r}{hint(option, known)}")


def hint(name: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?", or nothing."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def given_options(own: Mapping[str, Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    """A task's own calling options, and over them what the caller said; None says nothing."""
    if not own:
        return said
    return {**own, **{name: value for name, value in said.items() if value is not None}} if said else own
