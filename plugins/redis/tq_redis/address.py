"""Where Redis is: from a URL to hosts, database and user.

redis://[[user]:password@]host[:port][/db]     rediss://...  with TLS
redis+socket:///path?virtual_host=db           unix:///path?db=db
sentinel://[:password@]host[:port][;[sentinel://]host2[:port]...][/db]?master_name=name
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url

if TYPE_CHECKING:
    from tq_redis.options import Options

_NEXT_URL = re.compile(r";(?=[a-z+]+://)")
_KINDS = {"redis": "tcp", "rediss": "tls", "redis+socket": "unix", "unix": "unix", "sentinel": "sentinel"}
_PORTS = {"sentinel": 26379}


class Address(msgspec.Struct, frozen=True):
    """One Redis database. Two equal addresses are the same database."""

    kind: str
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = None
    master_name: str | None = None


def read_address(url: str, options: Options) -> Address:
    """Read `url`. Raises `ImproperlyConfigured` with the URL masked."""
    scheme, _, rest = url.partition("://")
    kind = _KINDS.get(scheme.lower())
    if kind is None:
        raise ImproperlyConfigured(f"{mask_url(url)} is no Redis URL; known: {', '.join(_KINDS)}")
    rest = rest.partition("?")[0]
    asked = options.db if options.db is not None else options.virtual_host
    if kind == "unix":
        return _unix(url, rest, asked or 0)
    if kind == "sentinel" and not options.master_name:
        raise ImproperlyConfigured(
            f"{mask_url(url)} needs to know which master: set the option 'master_name'"
        )
    parts = [re.sub(r"^[a-z+]+://", "", part) for part in rest.split(";") if part]
    read = [_host(url, part, _PORTS.get(kind, 6379)) for part in parts or [""]]
    users = [user for user, _, _ in read if user is not None]
    username, password = users[0] if users else (None, None)
    databases = [db for _, _, db in read if db is not None]
    return Address(
        kind,
        tuple(host for _, host, _ in read),
        db=asked if asked is not None else (databases[-1] if databases else 0),
        username=username,
        password=password,
        master_name=options.master_name if kind == "sentinel" else None,
    )


def _unix(url: str, rest: str, db: int) -> Address:
    user, at, path = rest.rpartition("@")
    name, password = _user(user) if at else (None, None)
    if not path.startswith("/"):
        raise ImproperlyConfigured(
            f"{mask_url(url)} names no socket: write redis+socket:///path/to/redis.sock"
        )
    return Address("unix", path=unquote(path), db=db, username=name, password=password)


def _host(
    url: str, text: str, port: int
) -> tuple[tuple[str | None, str | None] | None, tuple[str, int], int | None]:
    user, at, place = text.rpartition("@")
    place, _, path = place.partition("/")
    host, colon, digits = place.rpartition(":") if not place.endswith("]") else (place, "", "")
    if not colon:
        host, digits = place, ""
    if digits and not digits.isdecimal():
        raise ImproperlyConfigured(f"{mask_url(url)} has no valid port: {digits!r}")
    path = path.strip("/")
    if path and not path.isdecimal():
        raise ImproperlyConfigured(f"{mask_url(url)} names no database: {path!r} is no number")
    host = unquote(host).strip("[]") or "localhost"
    return _user(user) if at else None, (host, int(digits or port)), int(path) if path else None


def _user(text: str) -> tuple[str | None, str | None]:
    name, _, password = text.partition(":")
    return unquote(name) or None, unquote(password) or None
