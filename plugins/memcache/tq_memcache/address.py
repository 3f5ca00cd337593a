"""From a URL to the servers it names.

    memcache://h1[:port][,h2[:port]...]/   cache+memcached://user:password@h1;h2/   memcached:///path/memcached.sock

Commas and semicolons (Celery's) both separate servers.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url

_KINDS = ("memcache", "memcached", "pymemcache", "pylibmc")
_PORT = 11211
Place = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""


class Address(msgspec.Struct, frozen=True):
    """The servers, in the order of the URL, and one user for all of them."""

    places: tuple[Place, ...]
    user: str | None = None
    password: str | None = None


def read_address(url: str) -> Address:
    """Read `url`. Raises `ImproperlyConfigured` with the URL masked."""
    scheme, _, rest = url.partition("://")
    kind = scheme.lower().removeprefix("cache+")
    if kind not in (*_KINDS, "cache"):
        raise ImproperlyConfigured(
            f"{mask_url(url)} is no memcached URL; write memcache://host:port/ or cache+memcached://host:port/"
        )
    login, at, names = rest.partition("?")[0].rpartition("@")
    user, _, password = login.partition(":")
    places = tuple(_place(url, name) for name in re.split("[,;]", names) if name.strip("/"))
    if not places:
        raise ImproperlyConfigured(
            f"{mask_url(url)} names no server; write for example {scheme}://localhost:{_PORT}/"
        )
    if len(set(places)) < len(places):
        raise ImproperlyConfigured(f"{mask_url(url)} names a server twice")
    return Address(places, unquote(user) if at else None, unquote(password) if at else None)


def _place(url: str, name: str) -> Place:
    name = unquote(name).removeprefix("unix:")
    if name.startswith("/"):
        return name.rstrip("/")
    name = name.rstrip("/")
    host, colon, port = name.rpartition(":") if not name.endswith("]") else (name, "", "")
    if not colon:
        host, port = name, str(_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host or not _is_host(host):
        raise ImproperlyConfigured(f"{mask_url(url)} has no valid server {name!r}: write host or host:port")
    return host.strip("[]"), int(port)


def _is_host(name: str) -> bool:
    try:
        # What sockets do to a name, and what they raise for it is no OSError.
        return bool(name.encode("idna"))
    except UnicodeError:
        return False
