"""Modules that an app names: importing them, and what to call those that run as a script."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from tq.errors import ImproperlyConfigured


def import_object(path: str) -> Any:
    """Import `module:name` or `module.name`. Raises `ImproperlyConfigured` naming the path."""
    module, separator, name = path.rpartition(":")
    if not separator:
        module, separator, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ImproperlyConfigured(f"cannot import {path!r}: {exc}") from exc


def import_discovered(packages: Iterable[str] | Callable[[], Iterable[str]], related: str | None) -> None:
    """`import_related` for each of the packages, or of those that a function names."""
    found = packages() if callable(packages) else packages
    for package in (found,) if isinstance(found, str) else found:
        import_related(package, related)


def import_related(package: str, related: str | None) -> None:
    """Import `<package>.<related>`, which need not exist; the package must. Raises what a module raises."""
    name = f"{package}.{related}" if related else package
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # A package without tasks is no error; a tasks module that misses an import is one.
        if exc.name is None or not (name == exc.name or name.startswith(exc.name + ".")):
            raise
        if exc.name == package or package.startswith(exc.name + "."):
            raise


def module_of_script() -> str:
    """The name that the module running as `__main__` would be imported by."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.splitext(os.path.basename(script))[0] if script else "__main__"
