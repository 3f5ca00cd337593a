"""Which settings there are for one application, and what to say about all other names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tq.config import celery_names
from tq.config.definitions import DEFINITIONS
from tq.config.setting import Setting
from tq.config.unknown import is_old, unknown
from tq.errors import ImproperlyConfigured


class IneffectiveSetting(UserWarning):
    """A setting of Celery was given that needs no counterpart here."""


class Catalog:
    """The definitions of tq and those of plugins.

    `plugins` gives the latter; finding plugins is slow, so it is called once, when a name is met that tq
    itself does not have, or when all are asked for. `reserved` are names that cannot be settings.
    """

    def __init__(self, plugins: Callable[[], Iterable[Setting]] | None, reserved: frozenset[str]) -> None:
        self.settings: dict[str, Setting] = {setting.name: setting for setting in DEFINITIONS}
        self._plugins = plugins
        self._reserved = reserved
        self._warned: set[str] = set()

    def all(self) -> Mapping[str, Setting]:
        """Every setting by name, those of plugins included."""
        plugins, self._plugins = self._plugins, None
        if plugins is not None:
            self.define(plugins())
        return self.settings

    def define(self, definitions: Iterable[Setting]) -> None:
        """Add definitions. Raises `ImproperlyConfigured` where a name is taken or cannot be one."""
        for setting in definitions:
            name = setting.name
            if self.settings.get(name, setting) != setting:
                raise ImproperlyConfigured(
                    f"setting {name} of {setting.group} exists already, in {self.settings[name].group}: "
                    "a plugin's settings begin with the plugin's name"
                )
            if not name.isidentifier() or not name.islower() or name[0] == "_" or name in self._reserved:
                raise ImproperlyConfigured(f"{name!r} of {setting.group} cannot be the name of a setting")
            self.settings[name] = setting

    def require(self, name: str, written: str, origin: str) -> Setting:
        """The definition. Raises `UnknownSetting` that says what the name could have meant."""
        setting = self.settings.get(name) or self.all().get(name)
        if setting is None:
            raise unknown(name, written, origin, self.settings)
        return setting

    def find(self, name: str, written: str, origin: str) -> Setting | None:
        """`require` for names that a source gives; None for those of Celery that are taken without effect,
        after one warning for each."""
        why = celery_names.WITHOUT_EFFECT.get(name)
        if why is None or name in self.settings:
            return self.require(name, written, origin)
        self._warn_once(name, f"setting {written} ({origin}) has no effect: {why}")
        return None

    def warn_if_not_yet(self, setting: Setting, value: Any, origin: str) -> None:
        """Say once that what this value asks for does not happen so far."""
        if setting.not_yet and value != setting.default:
            self._warn_once(
                setting.name, f"setting {setting.name} ({origin}) has no effect yet: {setting.not_yet}"
            )

    def _warn_once(self, name: str, message: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            warnings.warn(message, IneffectiveSetting, stacklevel=3)

    def is_setting(self, name: str) -> bool:
        """Whether a name that stands among helpers is a setting, here or in Celery."""
        return name in self.settings or name in celery_names.WITHOUT_EFFECT or name in celery_names.REFUSED

    def is_old(self, name: str) -> bool:
        """Whether it is a setting in the wrong case, or one of Celery 3."""
        return is_old(name, self.settings)
