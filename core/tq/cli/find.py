"""The app that `-A` names, found as Celery finds it.

`pkg.mod:app` and `pkg.mod.app` name it outright. `pkg` or `pkg.mod` is searched: its attributes `app` and
`celery`, any app in it, then the sub-modules `tq` and `celery` of a package. Source: Celery 5.7
`celery.app.utils.find_app`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType

from tq import TQ, Task
from tq.errors import ImproperlyConfigured, TQError

_NAMES = ("app", "tq", "celery")
_SUBMODULES = ("tq", "celery")
_TQ = Path(__file__).parents[1]


class NoSuchModule(ImproperlyConfigured):
    """No module has the name."""


def find_app(spec: str) -> TQ:
    """Import and return it. Raises `ImproperlyConfigured` saying what was looked at, or with the traceback of
    an error inside the module."""
    _look_in_working_directory()
    module_name, _, attribute = spec.partition(":")
    if attribute:
        return _attribute(_import(module_name, spec), attribute, spec)
    try:
        module = _import(module_name, spec)
    except NoSuchModule:
        parent, _, last = module_name.rpartition(".")
        if not parent:
            raise
        return _attribute(_import(parent, spec), last, spec)
    return _search(module, spec)


@contextmanager
def importing(what: str) -> Iterator[None]:
    """Inside, what a user's module raises becomes `ImproperlyConfigured` with the part of its traceback that is
    about that module."""
    try:
        yield
    except TQError:
        raise
    except Exception as exc:
        trace = "".join(traceback.format_exception(type(exc), exc, _after_ours(exc.__traceback__)))
        raise ImproperlyConfigured(f"{what} cannot be imported\n{trace.rstrip()}") from exc


def _look_in_working_directory() -> None:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


def _import(name: str, spec: str) -> ModuleType:
    with importing(f"-A {spec}: the module {name}"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as exc:
            # A module that misses one of its own imports is not a wrong -A.
            if exc.name is None or not (name == exc.name or name.startswith(exc.name + ".")):
                raise
            here = f"here ({os.getcwd()}) or among the installed packages"
            raise NoSuchModule(f"-A {spec}: there is no module {exc.name!r} {here}") from exc


def _attribute(module: ModuleType, name: str, spec: str) -> TQ:
    try:
        found = getattr(module, name)
    except AttributeError:
        raise ImproperlyConfigured(f"-A {spec}: the module {module.__name__} has no {name!r}") from None
    if isinstance(found, TQ):
        return found
    if isinstance(found, ModuleType):
        return _search(found, spec)
    kind = "task" if isinstance(found, Task) else type(found).__name__
    raise ImproperlyConfigured(f"-A {spec}: {module.__name__}.{name} is a {kind}, not a TQ app")


def _search(module: ModuleType, spec: str) -> TQ:
    found = _first(module)
    if found is not None:
        return found
    if hasattr(module, "__path__"):
        for name in _SUBMODULES:
            full = f"{module.__name__}.{name}"
            if importlib.util.find_spec(full) is not None:
                found = _first(_import(full, spec))
                if found is not None:
                    return found
    raise ImproperlyConfigured(
        f"-A {spec}: found no TQ app in {module.__name__}; name it outright, as in -A {module.__name__}:my_app"
    )


def _first(module: ModuleType) -> TQ | None:
    named = (getattr(module, name, None) for name in _NAMES)
    return next((found for found in (*named, *vars(module).values()) if isinstance(found, TQ)), None)


def _after_ours(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what lies before the user's own code."""
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_ours(file: str) -> bool:
    return file.startswith(("<frozen importlib", importlib.__file__, str(_TQ)))
