"""The settings of one application, as the rest of tq and its users see them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tq.config.catalog import Catalog
from tq.config.fields import SettingsFields
from tq.config.layers import Layers, Pending
from tq.config.masking import is_secret, masked, shown
from tq.config.setting import Setting
from tq.errors import ImproperlyConfigured, UnknownSetting

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT = "default"


class Row(msgspec.Struct, frozen=True):
    """One line of the report; `value` is shown without its secrets."""

    name: str
    value: str
    origin: str


class Settings(SettingsFields):
    """`conf.NAME` reads a setting, `conf.NAME = value` and `conf.update(NAME=value)` write it.

    The sources, weakest first: defaults, file, environment, `add_object`/`add_envvar`, and what Python code
    says; within the last two the later one wins. Files, environment and modules given by name are read when
    the first setting is read. Wrong values raise `ImproperlyConfigured`, wrong names `UnknownSetting`, which
    is an AttributeError too. Reading is as fast as reading any attribute, and safe between threads.

    `plugins` gives the definitions that plugins declare, see `Catalog`.
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
        self._lock = threading.RLock()
        self._catalog = Catalog(plugins, reserved=frozenset(dir(Settings)))
        self._layers = Layers(self._catalog, files=files, environ=environ, cwd=cwd)
        self.assign(explicit or {}, origin="TQ(...)")

    # -- reading -------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # a type checker shall go by SettingsFields

        def __getattr__(self, name: str) -> Any:
            """Runs on the first read only: the value stays in the instance, where Python finds it first."""
            if name.startswith("_"):
                raise AttributeError(name)
            with self._lock:
                setting = self._catalog.require(name, name, "read from app.conf")
                self._load()
                value = self._value(setting)
                if setting.default_of is None and not self._layers.loading:
                    self.__dict__[name] = value
                return value

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """The setting's value, or `default` where there is no such setting."""
        names = self._catalog.all()
        return self[name] if name in names else default

    def __contains__(self, name: object) -> bool:
        return name in self._catalog.all()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._catalog.all()))

    def __len__(self) -> int:
        return len(self._catalog.all())

    def is_set(self, name: str) -> bool:
        """Whether any source says something about this setting."""
        return self.origin(name) != DEFAULT

    def origin(self, name: str) -> str:
        """Where the effective value was written; "default" where nowhere."""
        with self._lock:
            self._catalog.require(name, name, "read from app.conf")
            self._load()
            entry = self._layers.entry(name)
            return DEFAULT if entry is None else entry.origin

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that some source gives, with their values (secrets are not masked)."""
        try:
            return {name: self[name] for name in self if self.is_set(name)}
        except (
            UnknownSetting
        ) as exc:  # an AttributeError: inside a property Python would take it for its absence
            raise ImproperlyConfigured(str(exc)) from exc

    def definitions(self) -> tuple[Setting, ...]:
        """All settings there are, those of plugins included."""
        return tuple(self._catalog.all().values())

    def explain(self) -> list[Row]:
        """Each setting with its effective value and origin, without secrets; for `tq report`."""
        return [Row(s.name, shown(s, self[s.name]), self.origin(s.name)) for s in self.definitions()]

    def table(self, with_defaults: bool = False) -> dict[str, Any]:
        """Settings by name, without their secrets: those that were set, or all."""
        names = list(self) if with_defaults else list(self.changed)
        secret = {setting.name for setting in self.definitions() if setting.secret}
        return {name: masked(self[name], secret=name in secret or is_secret(name)) for name in names}

    # -- writing -------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.assign({name: value}, origin=f"app.conf.{name} = ...")

    def __setitem__(self, name: str, value: Any) -> None:
        self.assign({name: value}, origin=f"app.conf[{name!r}] = ...")

    def update(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Set several settings; where one is wrong, none."""
        self.assign({**(values or {}), **more}, origin="app.conf.update(...)")

    def assign(self, values: Mapping[str, Any], *, origin: str) -> None:
        """`update` for callers that say where the values come from, such as the options of a command."""
        with self._lock:
            new = self._layers.checked(((name, name, value) for name, value in values.items()), origin)
            self._layers.explicit |= new
            self._forget(new)

    def add_object(self, source: Any, namespace: str | None = None, *, silent: bool = False) -> None:
        """Take settings from a module, class, instance or mapping, or from the path of one.

        A path is imported when the first setting is read, or at once where that has happened. With a
        namespace ("CELERY") the source's names begin with it, in upper case: CELERY_BROKER_URL. With `silent`
        a path that cannot be imported counts for nothing.
        """
        with self._lock:
            if isinstance(source, str):
                self._layers.add_path(Pending(source, namespace, silent))
                if self._layers.loaded:
                    self._load()
            else:
                self._forget(self._layers.add_object(source, namespace))

    def add_envvar(self, variable: str, *, silent: bool = False) -> None:
        """`add_object` with the path that an environment variable holds. Raises where it is not set, unless
        `silent`."""
        path = self._layers.environ.get(variable, "")
        if not path and silent:
            return
        if not path:
            raise ImproperlyConfigured(
                f"the environment variable {variable} is not set; it shall name a module with settings: "
                f"export {variable}=celeryconfig"
            )
        self.add_object(path, silent=silent)

    def define(self, definitions: Iterable[Setting]) -> None:
        """Add settings that a plugin declares. Raises where a name is taken or cannot be one."""
        with self._lock:
            self._catalog.define(definitions)

    # ------------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        self._forget(self._layers.load())

    def _forget(self, names: Iterable[str]) -> None:
        for name in names:
            self.__dict__.pop(name, None)

    def _value(self, setting: Setting) -> Any:
        entry = self._layers.entry(setting.name)
        if entry is not None:
            return entry.value
        if setting.default_of is not None:
            return setting.default_of(self.__getitem__, self.is_set)
        if isinstance(setting.default, dict | list):
            import copy

            return copy.deepcopy(setting.default)
        return setting.default
