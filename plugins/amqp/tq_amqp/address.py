"""Where RabbitMQ is: from a URL to servers, virtual host and user.

amqp://[user[:password]@]host[:port][/vhost]    pyamqp:// and librabbitmq:// mean the same, amqps:// is with TLS
Several, separated by `;`, are tried in turn: amqp://a//;amqp://b//  or amqp://a;b//
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url

SCHEMES = ("amqp", "amqps", "pyamqp", "librabbitmq", "rpc")
_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.\-]*)://")


class Address(msgspec.Struct, frozen=True):
    """One server, and what to ask it for."""

    host: str
    port: int
    vhost: str = "/"
    user: str = "guest"
    password: str = "guest"
    tls: bool = False


def read_addresses(url: str) -> tuple[Address, ...]:
    """Read `url`, in kombu's grammar. Raises `ImproperlyConfigured` with the URL masked."""
    scheme = _SCHEME.match(url)
    if scheme is None or scheme.group(1).lower() not in SCHEMES:
        raise ImproperlyConfigured(
            f"{mask_url(url)} is no URL of RabbitMQ; write amqp://user:password@host:5672/vhost"
        )
    parts = [part for part in url.partition("?")[0].split(";") if part]
    named = [part if _SCHEME.match(part) else f"{scheme.group(0)}{part}" for part in parts]
    return tuple(_read(url, part) for part in named)


def _read(url: str, part: str) -> Address:
    scheme, _, rest = part.partition("://")
    user, at, place = rest.rpartition("@")
    place, slash, vhost = place.partition("/")
    host, port = _host(url, place)
    name, colon, password = user.partition(":")
    tls = scheme.lower() == "amqps"
    return Address(
        unquote(host) or "localhost",
        port or (5671 if tls else 5672),
        # kombu: nothing, "/" and "//" are the default virtual host, "/a" is "a".
        vhost=unquote(vhost) or "/" if slash else "/",
        user=unquote(name) if at and name else "guest",
        password=unquote(password) if colon else "guest",
        tls=tls,
    )


def _host(url: str, place: str) -> tuple[str, int]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        digits = rest.removeprefix(":")
    else:
        host, _, digits = place.partition(":")
    if digits and not digits.isdecimal():
        raise ImproperlyConfigured(f"{mask_url(url)} has no valid port: {digits!r}")
    return host, int(digits or 0)
