"""Options of drivers: read from a URL's query and a mapping into the driver's own typed record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tq.errors import ImproperlyConfigured

T = TypeVar("T", bound=msgspec.Struct)
_NEXT_URL = re.compile(r";(?=[a-zA-Z][a-zA-Z0-9+.-]*://)")
_LATER_PASSWORD = re.compile(r"(;[^:/@?;]*:)[^;?]*@")
"""In a further host behind `;` that has no scheme of its own."""
_SECRET_PARAMETER = re.compile(
    r"([?&;][^=&;#]*(?:passw|secret|token|credential|private_?key)[^=&;#]*=)[^&;#]*", re.IGNORECASE
)


def mask_url(url: str) -> str:
    """The URL with its password, and what its query calls a secret, as `**`: for logs and errors.

    Several URLs, separated by `;`, are masked one by one.
    """
    return ";".join(_masked(part) for part in _NEXT_URL.split(url))


def _masked(url: str) -> str:
    head, scheme_sep, rest = url.partition("://")
    if not scheme_sep:
        return url
    rest = _LATER_PASSWORD.sub(r"\1**@", _SECRET_PARAMETER.sub(r"\1**", rest))
    authority, slash, path = rest.partition("/")
    unsplit = re.split("[?;]", path)[0] if "@" in authority else path
    if _holds_password(authority) and "@" in unsplit:
        # Somebody forgot to write "/" in a password as %2F: no valid URL, but it must not be shown either.
        authority, slash, path = rest, "", ""
    user, at, host = authority.rpartition("@")
    if not at:
        return f"{head}://{rest}"
    name, colon, _ = user.partition(":")
    return f"{head}://{name}{':**' if colon else ''}@{host}{slash}{path}"


def _holds_password(authority: str) -> bool:
    _, colon, rest = authority.partition(":")
    return bool(colon) and not rest.isdigit() and not authority.startswith("[")


def query_of(url: str) -> dict[str, str]:
    """What the query of `url` says. Raises nothing: `urlsplit` would, for a bracket in a password, and show it."""
    return dict(parse_qsl(url.partition("#")[0].partition("?")[2]))


def parse_options(options_type: type[T], url: str, options: Mapping[str, Any]) -> T:
    """Read `options` and the query of `url` into `options_type`; the query wins.

    Raises `ImproperlyConfigured` naming the option, with a suggestion for a misspelt one.
    """
    fields = {f.encode_name for f in msgspec.structs.fields(options_type)}
    values = {**options, **query_of(url)}
    for name in values:
        if name not in fields:
            raise ImproperlyConfigured(_unknown(name, sorted(fields), url))
    try:
        return msgspec.convert(values, options_type, strict=False)
    except msgspec.ValidationError as exc:
        raise ImproperlyConfigured(f"bad option for {mask_url(url)}: {exc}") from exc


def _unknown(name: str, fields: list[str], url: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, fields, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(fields) or 'none'}"
    return f"unknown option {name!r} for {mask_url(url)}: {hint}"
