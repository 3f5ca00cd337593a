"""Pools that patch the standard library, such as gevent: found before anything else is imported.

So the command line is read twice: here only as far as it says which pool the worker gets. What comes from the app's
own code is known too late for that; `refuse_late` says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tq.errors import ImproperlyConfigured
from tq.plugins import registry

if TYPE_CHECKING:
    from tq.contracts.pool import Pool

_TAKES_VALUE = frozenset({"-A", "--app", "-b", "--broker", "--result-backend", "--config", "--workdir"})
"""The global options, before the command, that are followed by a value."""


def patch_early(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> str | None:
    """Have the pool of `tq worker` patch what it has to; returns its name if it did.

    Raises `PluginError` where the pool is not there.
    """
    folder, options = _worker_options(argv)
    if options is None or not {"-h", "--help"}.isdisjoint(options):
        return None
    if _last(options, "--processes", "--processes"):
        return None  # This process supervises those that patch.
    name = _last(options, "-P", "--pool") or _configured(folder, environ)
    if not name or not patches(pool := registry.load_pool(name)):
        return None
    pool.prepare()
    return name


def patches(pool: type[Pool]) -> bool:
    """Whether the pool has something to do before the app is imported."""
    from tq.contracts.pool import Pool

    return pool.prepare.__func__ is not Pool.prepare.__func__  # type: ignore[attr-defined]


def refuse_late(name: str, origin: str, patched_for: str | None) -> None:
    """Raise `ImproperlyConfigured` where the app wants another pool than the one that was patched for."""
    if name == patched_for:
        return
    if patched_for is not None:
        raise ImproperlyConfigured(
            f"worker_pool is {name!r} by {origin}, and the process is patched for {patched_for!r} already; name the "
            "same pool in both places"
        )
    if patches(registry.load_pool(name)):
        raise ImproperlyConfigured(
            f"worker_pool is {name!r} by {origin}, which is known only after the app was imported: too late to patch "
            f"the standard library. Say it before: tq worker -P {name}, TQ_WORKER_POOL={name}, or in tq.toml"
        )


def _worker_options(argv: Sequence[str]) -> tuple[str | None, Sequence[str] | None]:
    """The folder of --workdir, and what follows the command if that is `worker`."""
    folder = None
    words = iter(enumerate(argv))
    for index, word in words:
        if word == "worker":
            return folder, argv[index + 1 :]
        if not word.startswith("-"):
            return folder, None
        if word in _TAKES_VALUE:
            _, value = next(words, (0, ""))
            folder = value if word == "--workdir" else folder
        elif word.startswith("--workdir="):
            folder = word.partition("=")[2]
    return folder, None


def _last(options: Sequence[str], short: str, long: str) -> str | None:
    """The value of an option in any of its forms; the last one counts."""
    found = None
    for index, word in enumerate(options):
        if word in (short, long):
            found = options[index + 1] if index + 1 < len(options) else None
        elif word.startswith(f"{long}="):
            found = word.partition("=")[2]
        elif word.startswith(short) and not word.startswith("--"):
            found = word.removeprefix(short)
    return found


def _configured(folder: str | None, environ: Mapping[str, str]) -> str | None:
    """`worker_pool` from the environment, else from the configuration file."""
    if environ.get("TQ_WORKER_POOL"):
        return environ["TQ_WORKER_POOL"]
    from tq.config.files import read_files

    try:
        tables = read_files(folder, environ)
    except ImproperlyConfigured:
        return None  # It is read again with all other settings, and then refused where a user sees why.
    names = [table.values["worker_pool"] for table in tables if "worker_pool" in table.values]
    return names[-1] if names and isinstance(names[-1], str) else None
