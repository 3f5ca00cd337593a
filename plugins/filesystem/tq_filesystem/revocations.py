"""Revocations: one file for each call of `revoke`, whose name is its version."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.records import Revocation
from tq_filesystem.files import names, read
from tq_filesystem.place import Place


class Sheet(msgspec.Struct, frozen=True):
    """What one call revoked, and until when (unix seconds)."""

    until: float
    revoked: tuple[Revocation, ...]


_SHEET = msgspec.json.Decoder(Sheet)


class Revocations:
    """The revocations of one folder. Raises `OSError`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._folder = place.revocations

    def add(self, batch: Sequence[Revocation], expires: float) -> None:
        """Write them under the next version."""
        if not batch:
            return
        self._place.open()
        data = msgspec.json.encode(Sheet(self._place.now() + expires, tuple(batch)))
        while not self._place.files.create(self._folder / f"{self._newest() + 1:020}", data):
            continue

    def after(self, version: int) -> tuple[int, list[Revocation]]:
        """The newest version, and what was revoked after `version` and has not expired."""
        versions = self._versions()
        newest = versions[-1] if versions else 0
        news = [each for each in versions if each > version]
        if not news:
            return newest, []
        now = self._place.now()
        found: dict[str, Revocation] = {}
        for each in news:
            raw = read(self._path(each))
            sheet = None if raw is None else _SHEET.decode(raw)
            if sheet is not None and sheet.until > now:
                found |= {revocation.task_id: revocation for revocation in sheet.revoked}
        return newest, list(found.values())

    def forget(self, now: float) -> None:
        """Remove what has expired, but never the newest: versions go on from it."""
        for version in self._versions()[:-1]:
            raw = read(self._path(version))
            if raw is not None and _SHEET.decode(raw).until <= now:
                self._place.files.remove(self._path(version))

    def _path(self, version: int) -> str:
        return str(self._folder / f"{version:020}")

    def _versions(self) -> list[int]:
        return sorted(int(name) for name in names(self._folder) if name.isdecimal())

    def _newest(self) -> int:
        return max(self._versions(), default=0)
