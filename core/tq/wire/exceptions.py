"""Exceptions as result documents and back: `{"exc_type", "exc_message", "exc_module"}`.

Reading never imports a module and builds only classes that are on a list: Python's own, tq's own, and those
that the caller allows. Everything else becomes a `RemoteError` that says what it was.
Source of the format: Celery 5.7, `Backend.prepare_exception`.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

import msgspec

from tq import errors
from tq.wire.saferepr import saferepr

# Celery clients know these errors by Celery's names; both directions.
_TO_CELERY: dict[type[BaseException], tuple[str, str]] = {
    errors.NotRegistered: ("NotRegistered", "celery.exceptions"),
    errors.TaskRevoked: ("TaskRevokedError", "celery.exceptions"),
    errors.MaxRetriesExceeded: ("MaxRetriesExceededError", "celery.exceptions"),
    errors.InvalidTask: ("InvalidTaskError", "celery.exceptions"),
    errors.ChordError: ("ChordError", "celery.exceptions"),
    errors.Ignore: ("Ignore", "celery.exceptions"),
    errors.Reject: ("Reject", "celery.exceptions"),
    errors.Retry: ("Retry", "celery.exceptions"),
    errors.SoftTimeLimitExceeded: ("SoftTimeLimitExceeded", "billiard.exceptions"),
    errors.TimeLimitExceeded: ("TimeLimitExceeded", "billiard.exceptions"),
    errors.WorkerLost: ("WorkerLostError", "billiard.exceptions"),
    errors.EncodeError: ("EncodeError", "kombu.exceptions"),
    errors.DecodeError: ("DecodeError", "kombu.exceptions"),
    errors.ContentDisallowed: ("ContentDisallowed", "kombu.exceptions"),
}
_FROM_CELERY = {names: cls for cls, names in _TO_CELERY.items()}
_JSON = (str, int, float, bool, type(None))
_DEEPEST = 50


class ExceptionInfo(msgspec.Struct, frozen=True):
    """Celery's `einfo`: an exception and its traceback as text, which `str()` gives."""

    type: type[BaseException]
    exception: BaseException
    traceback: str
    tb: TracebackType | None

    @property
    def exc_info(self) -> tuple[Any, BaseException, TracebackType | None]:
        """The three that `sys.exc_info` gave."""
        return self.type, self.exception, self.tb

    def __str__(self) -> str:
        return self.traceback


def exception_info(exc: BaseException, text: str | None) -> ExceptionInfo:
    """The `einfo` of an exception whose traceback was written already."""
    return ExceptionInfo(type(exc), exc, text or f"{type(exc).__name__}: {exc}\n", exc.__traceback__)


def exception_document(exc: BaseException) -> dict[str, Any]:
    """Describe an exception with values that every serializer can write; others are given by their repr."""
    cls = type(exc)
    name, module = _TO_CELERY.get(cls, (cls.__qualname__, cls.__module__))
    return {"exc_type": name, "exc_message": [_plain(arg) for arg in exc.args], "exc_module": module}


def _plain(value: Any) -> Any:
    if type(value) in _JSON:
        return value
    try:
        return repr(value)[:1024]
    except Exception as exc:  # noqa: BLE001 - user code
        return f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"


def rebuild_exception(document: Any, allowed: Callable[[str], bool] = lambda module: False) -> BaseException:
    """Build the exception that a document describes; `allowed(module)` adds modules whose classes may be built.

    Never raises: what cannot be built comes as `RemoteError`.
    """
    if isinstance(document, BaseException):
        return document
    if not isinstance(document, dict) or "exc_type" not in document:
        return errors.RemoteError("Exception", "", (_shallow(document),))
    name, module = _text(document["exc_type"]), _text(document.get("exc_module") or "")
    message = document.get("exc_message")
    many = message if isinstance(message, (list, tuple)) else () if message is None else (message,)
    args = tuple(map(_shallow, many))
    cls = _find(name, module, allowed)
    if cls is not None:
        try:
            return cls(*args)
        except Exception:  # noqa: BLE001 - user code
            # A constructor that wants other arguments than it keeps in `args` cannot be called again.
            return errors.RemoteError(name, module, args)
    return errors.RemoteError(name, module, args)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else saferepr(value)


def _shallow(value: Any) -> Any:
    """What Python could not print, for it is nested too deeply, as text."""
    return value if _depth_is(value, _DEEPEST) else saferepr(value)


def _depth_is(value: Any, most: int) -> bool:
    if isinstance(value, dict):
        return most > 0 and all(_depth_is(item, most - 1) for item in value.values())
    if isinstance(value, (list, tuple)):
        return most > 0 and all(_depth_is(item, most - 1) for item in value)
    return True


def _find(name: str, module: str, allowed: Callable[[str], bool]) -> type[BaseException] | None:
    known = _FROM_CELERY.get((name, module))
    if known is not None:
        return known
    if module in ("builtins", "exceptions", ""):
        found: Any = getattr(builtins, name, None)
    elif module == "tq.errors" or allowed(module):
        found = _class_in(sys.modules.get(module), name)
    else:
        return None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _class_in(module: object, name: str) -> type | None:
    """The class by its qualified name, found without running anything of the module: no property, no import."""
    found: object = module
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)
        if not issubclass(type(found), type):
            return None
    return found  # type: ignore[return-value]
