"""From a URL to the names under which a driver may be registered."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from tq.errors import PluginError
from tq.options import mask_url

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*\Z")
_DRIVE = re.compile(r"[A-Za-z]:([\\/]|$)|\\\\")


class Address(msgspec.Struct, frozen=True):
    """A URL that has a scheme, and the driver names to look for, most special first."""

    url: str
    names: tuple[str, ...]

    @property
    def scheme(self) -> str:
        return self.names[0]


def read_address(url: str, *, noun: str, known: Collection[str]) -> Address:
    """Take the scheme from `url`; Celery's short form without `://` counts if `known` names it.

    `db+postgresql://...` looks for `db+postgresql`, then for `db`. Raises `PluginError` for text that names
    no driver.
    """
    head, separator, _ = url.partition("://")
    if not separator:
        if url.lower() not in known:
            raise PluginError(_no_scheme(url, noun))
        url = f"{url}://"
    elif not _SCHEME.match(head):
        raise PluginError(f"the {noun} URL {mask_url(url)!r} begins with no valid scheme: {_WRITE}")
    return Address(url, _names(head.lower()))


def _names(scheme: str) -> tuple[str, ...]:
    parts = scheme.split("+")
    return tuple("+".join(parts[:end]) for end in range(len(parts), 0, -1))


_WRITE = "write it as SCHEME://HOST, for example redis://localhost:6379/0"


def _no_scheme(url: str, noun: str) -> str:
    if not url:
        return f"the {noun} URL is empty: {_WRITE}"
    if _DRIVE.match(url):
        forward = url.replace("\\", "/")
        return f"the {noun} URL {url!r} is a Windows path: for a SQLite file write sqlite:///{forward}"
    if url.startswith(("/", "./", "../", "~")):
        return f"the {noun} URL {url!r} is a path: for a SQLite file write sqlite:///{url}"
    # Text like this may be "user:password@host" with the scheme forgotten.
    shown = "**@" + url.rpartition("@")[2] if "@" in url else url
    return f"the {noun} URL {shown!r} has no scheme: {_WRITE}"
