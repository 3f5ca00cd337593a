"""Settings from Python: a module such as celeryconfig.py, a class, an instance or a mapping."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from tq.errors import ImproperlyConfigured

_PLAIN = (str, bytes, int, float, bool, list, tuple, dict, set, frozenset, dt.timedelta, type(None))


def load(path: str) -> Any:
    """What `package.module`, `package.module:attribute` or `package.module.attribute` names.

    Raises `ImproperlyConfigured` where it cannot be imported, whatever its code raised.
    """
    module, colon, attributes = path.partition(":")
    try:
        found = importlib.import_module(module) if colon else _module_or_attribute(path)
        for attribute in attributes.split(".") if colon else ():
            found = getattr(found, attribute)
    except Exception as exc:  # the code of a settings module may raise anything
        hint = f"; write {path.removesuffix('.py')!r}" if path.endswith(".py") else ""
        raise ImproperlyConfigured(
            f"cannot read settings from {path!r}: {type(exc).__name__}: {exc}{hint}. It is imported from sys.path "
            "as 'module', 'module:attribute' or 'module.attribute'"
        ) from exc
    return found


def entries(
    source: Any, namespace: str | None, is_setting: Callable[[str], bool], is_old: Callable[[str], bool]
) -> Iterator[tuple[str, str, Any]]:
    """(key as written, setting's name, value) of each setting in `source`.

    With a namespace these are the keys that begin with it; without, all keys of a mapping. Anything else
    may hold helpers as well (imports, functions, CONSTANTS): there it is the names that are settings, all
    plain values in lower case, and plain values under old spellings, which the caller refuses.
    """
    keys, read = _reader(source)
    if namespace:
        prefix = namespace.rstrip("_").upper() + "_"
        for key in keys:
            if key.upper().startswith(prefix):
                yield key, key[len(prefix) :].lower(), read(key)
        return
    for key in keys:
        if isinstance(source, Mapping) or is_setting(key) or _looks_meant(key, keys, read(key), is_old):
            yield key, key, read(key)


def _module_or_attribute(path: str) -> Any:
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as exc:
        owner, _, attribute = path.rpartition(".")
        if not owner or exc.name is None or not f"{path}.".startswith(f"{exc.name}."):
            raise
    return getattr(importlib.import_module(owner), attribute)


def _reader(source: Any) -> tuple[list[str], Callable[[str], Any]]:
    if isinstance(source, Mapping):
        return [key for key in source if isinstance(key, str)], source.__getitem__
    names = vars(source) if isinstance(source, ModuleType) else dir(source)
    return [name for name in names if not name.startswith("_")], lambda name: getattr(source, name)


def _looks_meant(key: str, keys: list[str], value: Any, is_old: Callable[[str], bool]) -> bool:
    if not isinstance(value, _PLAIN):
        return False
    return key.islower() or (is_old(key) and key.lower() not in keys)
