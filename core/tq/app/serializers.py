"""The serializers of an app: one to write with, and those that may be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tq.errors import ImproperlyConfigured
from tq.plugins import registry
from tq.plugins.catalog import CONTENT_TYPES

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

    def readers(self, accept: Iterable[str], setting: str = "accept_content") -> dict[str, Serializer]:
        """Readers by content type, for the names and content types of a setting."""
        readers = {(found := self[name]).content_type: found for name in accept}
        if not readers:
            raise ImproperlyConfigured(f"{setting} is empty, so nothing could be read; name one: ['json']")
        return readers
