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
from types import ModuleType

from tq import TQ, Task
from tq.errors import ImproperlyConfigured

_NAMES = ("app", "tq", "celery")
_SUBMODULES = ("tq", "celery")


def find_app(spec: str) -> TQ:
    """Import and return it. Raises `ImproperlyConfigured` saying what was looked at; an error inside the
    module itself comes through."""
    _look_in_working_directory()
    module_name, _, attribute = spec.partition(":")
    if attribute:
        return _attribute(_import(module_name, spec), attribute, spec)
    try:
        module = _import(module_name, spec)
    except ImproperlyConfigured:
        parent, _, last = module_name.rpartition(".")
        if not parent:
            raise
        return _attribute(_import(parent, spec), last, spec)
    return _search(module, spec)


def _look_in_working_directory() -> None:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


def _import(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # A module that misses one of its own imports is not a wrong -A.
        if exc.name is None or not (name == exc.name or name.startswith(exc.name + ".")):
            raise
        raise ImproperlyConfigured(
            f"-A {spec}: there is no module {exc.name!r} here ({os.getcwd()}) or among the installed packages"
        ) from exc


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
                found = _first(importlib.import_module(full))
                if found is not None:
                    return found
    raise ImproperlyConfigured(
        f"-A {spec}: found no TQ app in {module.__name__}; name it outright, as in -A {module.__name__}:my_app"
    )


def _first(module: ModuleType) -> TQ | None:
    named = (getattr(module, name, None) for name in _NAMES)
    return next((found for found in (*named, *vars(module).values()) if isinstance(found, TQ)), None)
