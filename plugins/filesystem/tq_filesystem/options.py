"""What the transport options and the URL's query may say, and which folder is meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url, query_of


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of broker and backend. Times are seconds."""

    fsync: bool = False
    """Wait until the disk has it: what was accepted then survives a loss of power, not only of a process."""
    poll_interval: float = 0.05
    """The longest pause between two looks."""
    mode: str = "700"
    """Permissions of folders that are made, in octal; files get the same without the right to execute."""

    @property
    def permissions(self) -> int:
        """`mode` as a number. Raises `ImproperlyConfigured`."""
        if not re.fullmatch(r"(0o?)?[0-7]{3}", self.mode):
            raise ImproperlyConfigured(
                f"the option 'mode' is three octal digits, such as 770, not {self.mode!r}"
            )
        return int(self.mode[-3:], 8)


class BrokerOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the broker."""

    folder: str | None = None
    """The folder, where the URL names none."""
    data_folder_in: str | None = None
    """Celery's; the same as `folder`."""
    data_folder_out: str | None = None


_NEEDLESS = "tq keeps no copies of what was done, and no tables of exchanges: leave it out"
_EXPLAINED = {
    "store_processed": _NEEDLESS,
    "processed_folder": _NEEDLESS,
    "data_folder_processed": _NEEDLESS,
    "control_folder": _NEEDLESS,
}


def refuse_explained(url: str, options: Mapping[str, Any]) -> None:
    """Refuse options of Celery that mean nothing here, with the reason. Raises `ImproperlyConfigured`."""
    for name in (*options, *query_of(url)):
        if name in _EXPLAINED:
            raise ImproperlyConfigured(f"option {name!r} for {mask_url(url)}: {_EXPLAINED[name]}")


def broker_folder(url: str, options: BrokerOptions) -> Path:
    """The folder of a broker. Raises `ImproperlyConfigured`."""
    into, out = options.data_folder_in, options.data_folder_out
    if into != out and into is not None and out is not None:
        raise ImproperlyConfigured(
            f"{mask_url(url)}: data_folder_in and data_folder_out differ; tq has one folder, the same for all: "
            "give both the same value"
        )
    found = path_of(url) or options.folder or into or out
    if not found:
        raise ImproperlyConfigured(
            f"{mask_url(url)} names no folder: write filesystem:///path, or set the option 'folder'"
        )
    return Path(found)


def backend_folder(url: str) -> Path:
    """The folder of a result backend. Raises `ImproperlyConfigured`."""
    found = path_of(url)
    if not found:
        raise ImproperlyConfigured(f"{mask_url(url)} names no folder: write file:///path")
    return Path(found)


def path_of(url: str) -> str:
    """All that follows `://`, as Celery reads it; `localhost` before an absolute path counts for nothing."""
    rest = url.partition("://")[2].partition("?")[0]
    if "@" in rest.partition("/")[0]:
        raise ImproperlyConfigured(f"{mask_url(url)} has a user, which folders do not: write file:///path")
    return unquote(rest[len("localhost") :] if rest.startswith("localhost/") else rest)
