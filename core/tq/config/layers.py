"""The sources of settings as layers of checked values, the strongest of which decides."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tq.config import objects
from tq.config.catalog import Catalog, IneffectiveSetting
from tq.config.convert import convert, from_text
from tq.config.environment import variables
from tq.config.setting import Setting
from tq.errors import ImproperlyConfigured

if TYPE_CHECKING:
    from pathlib import Path


class Entry(msgspec.Struct, frozen=True):
    """A checked value and where it was written."""

    value: Any
    origin: str


class Pending(msgspec.Struct, frozen=True):
    """A module of settings that is not imported yet; `silent` where it need not exist."""

    path: str
    namespace: str | None
    silent: bool


Layer = dict[str, Entry]


class Layers:
    """Weakest first: file, environment, objects (`config_from_object`), explicit (Python code).

    Nothing is read before `load`. `files` says whether files are looked for; `environ` and `cwd` stand for
    the process's own.
    """

    def __init__(
        self, catalog: Catalog, *, files: bool, environ: Mapping[str, str] | None, cwd: Path | str | None
    ) -> None:
        self.catalog = catalog
        self.explicit: Layer = {}
        self.objects: Layer = {}
        self._outside: tuple[Layer, Layer] | None = None
        self._pending: list[Pending] = []
        self._files = files
        self._environ = environ
        self._cwd = cwd
        self.loading = False

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that is read."""
        return os.environ if self._environ is None else self._environ

    @property
    def loaded(self) -> bool:
        """Whether files and environment were read."""
        return self._outside is not None

    def entry(self, name: str) -> Entry | None:
        """What the strongest source that names this setting says."""
        env, file = self._outside or ({}, {})
        layers = (self.explicit, self.objects, env, file)
        return next((layer[name] for layer in layers if name in layer), None)

    def load(self) -> list[str]:
        """Read all that waits to be read; returns the names that were found.

        Where a source is wrong nothing of it is kept, so that the next read raises again. A module of
        settings that itself reads settings sees the state before.
        """
        if self.loading or (self._outside is not None and not self._pending):
            return []
        self.loading = True
        try:
            found: list[str] = []
            if self._outside is None:
                self._outside = self._read_env(), self._read_files()
                found += [*self._outside[0], *self._outside[1]]
            while self._pending:
                found += self._add_pending(self._pending[0])
                self._pending.pop(0)
            self._warn_of_celerys_variables()
            return found
        finally:
            self.loading = False

    def add_path(self, pending: Pending) -> None:
        """Have `load` import this module or object."""
        self._pending.append(pending)

    def add_object(self, source: Any, namespace: str | None, path: str = "") -> list[str]:
        """Take the settings of a module, class, instance or mapping; returns their names."""
        name = path or getattr(source, "__name__", type(source).__name__)
        found = objects.entries(source, namespace, self.catalog.is_setting, self.catalog.is_old)
        new = self.checked(found, f"config_from_object({name!r})")
        self.objects |= new
        return list(new)

    def checked(self, items: Iterable[tuple[str, str, Any]], origin: str, *, strict: bool = True) -> Layer:
        """A layer of (name as written, setting's name, value); raises for the first wrong one."""
        layer: Layer = {}
        for written, name, value in items:
            setting = self.catalog.find(name, written, origin)
            if setting is not None:
                layer[name] = self._entry(setting, convert(setting, value, origin, strict=strict), origin)
        return layer

    def _entry(self, setting: Setting, value: Any, origin: str) -> Entry:
        self.catalog.warn_if_not_yet(setting, value, origin)
        return Entry(value, origin)

    def _add_pending(self, pending: Pending) -> list[str]:
        try:
            source = objects.load(pending.path)
        except ImproperlyConfigured as exc:
            if pending.silent and isinstance(exc.__cause__, ImportError):
                return []
            raise
        return self.add_object(source, pending.namespace, pending.path)

    def _warn_of_celerys_variables(self) -> None:
        """Celery reads these two by itself; whoever moves over would land on the defaults in silence."""
        for name in ("broker_url", "result_backend"):
            variable = f"CELERY_{name.upper()}"
            if self.environ.get(variable) and self.entry(name) is None:
                message = f"the environment variable {variable} is Celery's; tq reads TQ_{name.upper()}"
                warnings.warn(message, IneffectiveSetting, stacklevel=2)

    def _read_files(self) -> Layer:
        if not self._files:
            return {}
        from tq.config.files import read_files  # not at the top: paths and TOML cost more than all the rest

        layer: Layer = {}
        for table in read_files(self._cwd, self.environ):
            items = ((key, key, value) for key, value in table.values.items())
            layer |= self.checked(items, table.origin, strict=False)
        return layer

    def _read_env(self) -> Layer:
        layer: Layer = {}
        for variable, name, text in variables(self.environ):
            origin = f"environment {variable}"
            setting = self.catalog.find(name, variable, origin)
            if setting is not None:
                layer[name] = self._entry(setting, from_text(setting, text, origin), origin)
        return layer
