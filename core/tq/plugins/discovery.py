"""The entry points of installed distributions, read live.

stevedore keeps a cache of them that can be stale for two minutes and forgets which distribution an entry
came from; a scan of the real thing costs about 3 ms for 50 distributions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, distributions

import msgspec

PREFIX = "tq."

_log = logging.getLogger("tq.plugins")


class Found(msgspec.Struct, frozen=True):
    """One entry point and the distribution that brings it."""

    entry: EntryPoint
    distribution: str
    """Empty where the distribution's metadata is damaged."""
    version: str

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def target(self) -> str:
        """`module:attr`, as the distribution wrote it."""
        return self.entry.value

    @property
    def label(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution or 'of a nameless distribution'} {self.version}".rstrip()


def scan(group: str) -> list[Found]:
    """All entry points of a group, in the order of `sys.path`.

    Of a distribution that lies on the path twice (an editable install beside a checkout, say) only the first
    counts, as it does for imports. A distribution whose entry points cannot be read is left out with a warning.
    """
    found: dict[tuple[str, str, str], Found] = {}
    places: dict[str, str] = {}
    for dist, entries in _readable():
        if not any(entry.group.startswith(PREFIX) for entry in entries):
            continue
        name, version = _identity(dist)
        place = str(dist.locate_file(""))
        key = _canonical(name) or place
        if places.setdefault(key, place) != place:
            continue
        for entry in entries:
            if entry.group == group:
                found.setdefault((key, entry.name, entry.value), Found(entry, name, version))
    return list(found.values())


def _readable() -> Iterator[tuple[Distribution, tuple[EntryPoint, ...]]]:
    for dist in distributions():
        try:
            entries = tuple(dist.entry_points)
        except Exception as exc:  # noqa: BLE001 - whatever is wrong with one must not hide the others
            _log.warning("cannot read the entry points of %s: %r", dist.locate_file(""), exc)
            continue
        yield dist, entries


def _identity(dist: Distribution) -> tuple[str, str]:
    """Name and version; what an interrupted uninstall left behind has neither."""
    try:
        return dist.metadata["Name"] or "", dist.metadata["Version"] or ""
    except Exception as exc:  # noqa: BLE001 - as above
        _log.warning("cannot read the metadata of %s: %r", dist.locate_file(""), exc)
        return "", ""


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
