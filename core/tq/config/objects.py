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
    """What `package.module`, `package.module:attribute` or `package.module.attribute` names."""
    module, colon, attribute = path.partition(":")
    if not colon and not _importable(module):
        module, _, attribute = path.rpartition(".")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ImproperlyConfigured(
            f"cannot read settings from {path!r}: {exc}. It is imported as 'module', 'module:attribute' or "
            "'module.attribute' from the working directory and sys.path"
        ) from exc
    return found


def entries(
    source: Any, namespace: str | None, is_known: Callable[[str], bool], explains: Callable[[str], bool]
) -> Iterator[tuple[str, str, Any]]:
    """(key as written, setting's name, value) of each setting in `source`.

    With a namespace these are the keys that begin with it; without, all keys of a mapping, and of anything
    else the names that are settings, that look like a misspelt one, or that `explains` knows a word about.
    """
    if isinstance(source, Mapping):
        keys, read = [key for key in source if isinstance(key, str)], source.__getitem__
    else:
        keys, read = _public(source), lambda key: getattr(source, key)
    if namespace:
        prefix = namespace.rstrip("_").upper() + "_"
        for key in keys:
            if key.upper().startswith(prefix):
                yield key, key[len(prefix) :].lower(), read(key)
        return
    for key in keys:
        if isinstance(source, Mapping) or is_known(key) or explains(key) or _looks_meant(key, read(key)):
            yield key, key, read(key)


def _importable(module: str) -> bool:
    """Whether all of a dotted path is a module; errors inside the module are left for the import proper."""
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _public(source: Any) -> list[str]:
    names = vars(source) if isinstance(source, ModuleType) else dir(source)
    return [name for name in names if not name.startswith("_")]


def _looks_meant(key: str, value: Any) -> bool:
    """A lower-case plain value is a setting or a mistake; imports, functions and CONSTANTS are helpers."""
    return key.islower() and isinstance(value, _PLAIN)
