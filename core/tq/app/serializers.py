"""The serializers of an app: one to write with, and those that may be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tq.errors import ImproperlyConfigured
from tq.plugins import registry
from tq.plugins.catalog import CONTENT_TYPES
from tq.plugins.kinds import SERIALIZER

if TYPE_CHECKING:
    from tq.contracts.serializer import Serializer, SettingsReader


class Serializers:
    """Loads each serializer once, on first use, and with `settings` where it asks for them."""

    def __init__(self, settings: SettingsReader) -> None:
        self._settings = settings
        self._loaded: dict[str, Serializer] = {}

    def __getitem__(self, name: str) -> Serializer:
        """By name, or by content type. Raises `PluginError`."""
        found = self._loaded.get(name)
        if found is None:
            found = self._loaded[name] = registry.load_serializer(
                CONTENT_TYPES.get(name, name), self._settings
            )
        return found

    def register(self, serializer: Serializer) -> None:
        """Add one of your own, in place of an installed one of the same name: see `tq.contracts.Serializer`.

        It writes where `task_serializer`, `result_serializer` or `serializer=` names it, and reads where
        `accept_content` does, by its name or its content type. Register it in every process that writes or reads it,
        before its first use. Raises `ImproperlyConfigured` for what is no serializer, and for one that comes too late.
        """
        if isinstance(serializer, type):
            raise ImproperlyConfigured(
                f"{serializer.__name__} is a class; register a serializer made of it: {serializer.__name__}()"
            )
        if flaw := SERIALIZER.flaw(serializer):
            raise ImproperlyConfigured(f"what is registered as a serializer {flaw}")
        for key in (serializer.name, serializer.content_type):
            if self._loaded.get(key, serializer) is not serializer:
                raise ImproperlyConfigured(
                    f"a serializer {key!r} is in use already; register yours before anything is sent or read"
                )
        self._loaded[serializer.name] = self._loaded[serializer.content_type] = serializer

    def readers(self, accept: Iterable[str], setting: str = "accept_content") -> dict[str, Serializer]:
        """Readers by content type, for the names and content types of a setting."""
        readers = {(found := self[name]).content_type: found for name in accept}
        if not readers:
            raise ImproperlyConfigured(f"{setting} is empty, so nothing could be read; name one: ['json']")
        return readers
