"""The settings of one application: where each value comes from, and which one wins."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tq.config import celery_names, objects
from tq.config.convert import convert, from_text
from tq.config.definitions import DEFINITIONS
from tq.config.environment import variables
from tq.config.fields import SettingsFields
from tq.config.files import read_files
from tq.config.masking import shown
from tq.config.setting import Setting
from tq.config.unknown import explains, unknown
from tq.errors import ImproperlyConfigured

DEFAULT = "default"


class IneffectiveSetting(UserWarning):
    """A setting of Celery was given that needs no counterpart here."""


class Row(NamedTuple):
    """One line of the report; `value` is shown without its secrets."""

    name: str
    value: str
    origin: str


class Entry(NamedTuple):
    """A checked value and where it was written."""

    value: Any
    origin: str


class Settings(SettingsFields):
    """`conf.NAME` reads a setting, `conf.NAME = value` and `conf.update(NAME=value)` write it.

    The sources, weakest first: defaults, file, environment, `add_object`/`add_envvar`, and what Python code
    says; within the last two the later one wins. Files, environment and modules given by name are read when
    the first setting is read. Wrong values raise `ImproperlyConfigured`, wrong names `UnknownSetting`, which
    is an AttributeError too.

    `plugins` gives the definitions that plugins declare; it is called once, when a name is met that tq does
    not know, or when all settings are listed.
    """

    def __init__(
        self,
        explicit: Mapping[str, Any] | None = None,
        *,
        files: bool = True,
        environ: Mapping[str, str] | None = None,
        cwd: Path | str | None = None,
        plugins: Callable[[], Iterable[Setting]] | None = None,
    ) -> None:
        self._definitions = {setting.name: setting for setting in DEFINITIONS}
        self._files = files
        self._environ = environ
        self._cwd = cwd
        self._plugins = plugins
        self._lock = threading.RLock()
        self._file: dict[str, Entry] = {}
        self._env: dict[str, Entry] = {}
        self._object: dict[str, Entry] = {}
        self._explicit: dict[str, Entry] = {}
        self._pending: list[tuple[str, str | None]] = []
        self._warned: set[str] = set()
        self._read_sources = False
        self._loading = False
        self.assign(explicit or {}, origin="TQ(...)")

    # -- reading -------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # a type checker shall go by SettingsFields

        def __getattr__(self, name: str) -> Any:
            """Runs on the first read only: the value is kept in the instance, where Python finds it first."""
            if name.startswith("_"):
                raise AttributeError(name)
            with self._lock:
                setting = self._definition(name, name, "read")
                self._load()
                value = self._value(setting)
                if setting.default_of is None and not self._loading:
                    self.__dict__[name] = value
                return value

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """The setting's value, or `default` where there is no such setting."""
        return getattr(self, name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._definitions

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(tuple(self._definitions))

    def __len__(self) -> int:
        self._discover()
        return len(self._definitions)

    def is_set(self, name: str) -> bool:
        """Whether any source says something about this setting."""
        return self.origin(name) != DEFAULT

    def origin(self, name: str) -> str:
        """Where the effective value was written; "default" where nowhere."""
        with self._lock:
            self._definition(name, name, "read")
            self._load()
            entry = self._entry(name)
            return DEFAULT if entry is None else entry.origin

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that some source gives, with their values (secrets are not masked)."""
        return {name: self[name] for name in self if self.is_set(name)}

    def definitions(self) -> tuple[Setting, ...]:
        """All settings there are, those of plugins included."""
        self._discover()
        return tuple(self._definitions.values())

    def explain(self) -> list[Row]:
        """Each setting with its effective value and origin, without secrets; for `tq report`."""
        return [Row(s.name, shown(s, self[s.name]), self.origin(s.name)) for s in self.definitions()]

    # -- writing -------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.assign({name: value}, origin=f"app.conf.{name} = ...")

    def __setitem__(self, name: str, value: Any) -> None:
        self.assign({name: value}, origin=f"app.conf[{name!r}] = ...")

    def update(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Set several settings; all or, where one is wrong, none."""
        self.assign({**(values or {}), **more}, origin="app.conf.update(...)")

    def assign(self, values: Mapping[str, Any], *, origin: str) -> None:
        """`update` for callers that say where the values come from, such as a command's options."""
        with self._lock:
            new = self._convert_all(((name, name, value) for name, value in values.items()), origin)
            self._commit(self._explicit, new)

    def add_object(self, source: Any, namespace: str | None = None) -> None:
        """Take settings from a module, class, instance or mapping, or from the path of one.

        A path is imported when the first setting is read. With a namespace ("CELERY") the source's names are
        upper case and begin with it: CELERY_BROKER_URL.
        """
        with self._lock:
            self._pending.append((source, namespace)) if isinstance(source, str) else self._take(
                source, namespace
            )
            if self._read_sources:
                self._take_pending()

    def add_envvar(self, variable: str) -> None:
        """`add_object` with the path that an environment variable holds. Raises where it is not set."""
        environ = os.environ if self._environ is None else self._environ
        path = environ.get(variable, "")
        if not path:
            raise ImproperlyConfigured(
                f"the environment variable {variable} is not set; it shall name a module with settings: "
                f"export {variable}=celeryconfig"
            )
        self.add_object(path)

    def define(self, definitions: Iterable[Setting]) -> None:
        """Add settings that a plugin declares. Raises where a name is taken or cannot be an attribute."""
        for setting in definitions:
            if self._definitions.get(setting.name, setting) != setting:
                raise ImproperlyConfigured(
                    f"setting {setting.name} is defined twice, by {setting.group} as well"
                )
            if (
                not setting.name.isidentifier()
                or setting.name.startswith("_")
                or hasattr(Settings, setting.name)
            ):
                raise ImproperlyConfigured(
                    f"{setting.name!r} cannot be the name of a setting ({setting.group})"
                )
            self._definitions[setting.name] = setting

    # -- sources -------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read what waits to be read. Where it fails nothing is kept, so that the next read fails as well."""
        if self._loading or (self._read_sources and not self._pending):
            return
        self._loading = True
        try:
            if not self._read_sources:
                self._read_outside()
            self._take_pending()
            self._read_sources = True
        finally:
            self._loading = False

    def _read_outside(self) -> None:
        environ = os.environ if self._environ is None else self._environ
        tables = (
            read_files(Path.cwd() if self._cwd is None else Path(self._cwd).absolute(), environ)
            if self._files
            else []
        )
        file: dict[str, Entry] = {}
        for table in tables:
            file |= self._convert_all(
                ((key, key, value) for key, value in table.values.items()), table.origin, strict=False
            )
        env: dict[str, Entry] = {}
        for variable, name, text in variables(environ):
            origin = f"environment {variable}"
            setting = self._find(name, variable, origin)
            if setting is not None:
                env[name] = Entry(from_text(setting, text, origin), origin)
        self._file, self._env = file, env

    def _take_pending(self) -> None:
        for path, namespace in tuple(self._pending):
            self._take(objects.load(path), namespace, path)
            self._pending.remove((path, namespace))

    def _take(self, source: Any, namespace: str | None, path: str = "") -> None:
        name = path or getattr(source, "__name__", type(source).__name__)
        found = objects.entries(
            source, namespace, self._is_known, lambda key: explains(key, self._definitions)
        )
        self._commit(self._object, self._convert_all(found, f"config_from_object({name!r})"))

    def _convert_all(
        self, items: Iterable[tuple[str, str, Any]], origin: str, *, strict: bool = True
    ) -> dict[str, Entry]:
        new: dict[str, Entry] = {}
        for written, name, value in items:
            setting = self._find(name, written, origin)
            if setting is not None:
                new[name] = Entry(convert(setting, value, origin, strict=strict), origin)
        return new

    def _commit(self, layer: dict[str, Entry], new: dict[str, Entry]) -> None:
        layer.update(new)
        for name in new:
            self.__dict__.pop(name, None)

    # -- definitions and values ----------------------------------------------------------------------------

    def _is_known(self, name: str) -> bool:
        return name in self._definitions or name in celery_names.WITHOUT_EFFECT

    def _find(self, name: str, written: str, origin: str) -> Setting | None:
        """The definition of a name in a source; None for one without effect, which is warned about once."""
        why = celery_names.WITHOUT_EFFECT.get(name)
        if why is None or name in self._definitions:
            return self._definition(name, written, origin)
        if name not in self._warned:
            self._warned.add(name)
            warnings.warn(
                f"setting {written} ({origin}) has no effect: {why}", IneffectiveSetting, stacklevel=2
            )
        return None

    def _definition(self, name: str, written: str, origin: str) -> Setting:
        if name not in self._definitions:
            self._discover()
        setting = self._definitions.get(name)
        if setting is None:
            raise unknown(name, written, origin, self._definitions)
        return setting

    def _discover(self) -> None:
        plugins, self._plugins = self._plugins, None
        if plugins is not None:
            self.define(plugins())

    def _entry(self, name: str) -> Entry | None:
        layers = (self._explicit, self._object, self._env, self._file)
        return next((layer[name] for layer in layers if name in layer), None)

    def _value(self, setting: Setting) -> Any:
        entry = self._entry(setting.name)
        if entry is not None:
            return entry.value
        if setting.default_of is not None:
            return setting.default_of(self.__getitem__, self.is_set)
        if isinstance(setting.default, dict | list):
            import copy

            return copy.deepcopy(setting.default)
        return setting.default
