"""What the transport options and the URL's query may say. What MongoDB itself knows goes to pymongo."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from pymongo.common import VALIDATORS

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of broker and backend. Times are seconds."""

    database: str | None = None
    """Where the URL names none."""
    operation_timeout: Seconds = 5.0
    """How long a call may take, connecting included; a publish has its own deadline."""
    poll_interval: Seconds = 0.1
    """The longest pause between two looks."""
    max_pool_size: Annotated[int, msgspec.Meta(ge=1)] = 10
    """Connections of one process, at most."""


class BrokerOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the broker."""

    collection_prefix: str = "tq_"
    """Before the names of all collections of the broker."""


class BackendOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the result backend, under the names of Celery's `mongodb_backend_settings`."""

    taskmeta_collection: str = "celery_taskmeta"
    groupmeta_collection: str = "celery_groupmeta"


def split_url(url: str) -> tuple[str, str]:
    """The URL without the options that MongoDB knows, and the URL with these alone."""
    base, _, query = url.partition("#")[0].partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    known = [(name, value) for name, value in pairs if name.lower() in VALIDATORS]
    others = [(name, value) for name, value in pairs if name.lower() not in VALIDATORS]
    return _with(base, others), _with(base, known)


def durability(url: str) -> dict[str, Any]:
    """How long a write waits, where the URL does not say: until a majority has it, and its journal is on the disk.

    Without the journal a server that is killed forgets what it acknowledged a moment before.
    """
    names = {name.lower() for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    return {} if names & {"w", "journal", "j", "fsync"} else {"w": "majority", "journal": True}


def _with(base: str, pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return base
    slash = "" if "/" in base.partition("://")[2] else "/"
    return f"{base}{slash}?{urlencode(pairs)}"
