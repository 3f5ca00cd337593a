"""Settings from files: `tq.toml`, or `[tool.tq]` in `pyproject.toml`, with named profiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tq.errors import ImproperlyConfigured

OWN_FILE = "tq.toml"
PROJECT_FILE = "pyproject.toml"


class Table(msgspec.Struct, frozen=True):
    """Settings as a file has them, and the name of the place."""

    values: Mapping[str, Any]
    origin: str


def read_files(cwd: Path | str | None, environ: Mapping[str, str]) -> list[Table]:
    """The tables that apply, weakest first: the file's own, then the profile that TQ_PROFILE names.

    TQ_CONFIG names the file; otherwise it is looked for in `cwd` (None: the process's own) and above, up to
    the first folder with a pyproject.toml or a .git. Raises `ImproperlyConfigured`.
    """
    cwd = Path.cwd() if cwd is None else Path(cwd).absolute()
    wanted = environ.get("TQ_PROFILE", "")
    found = _named(cwd, environ["TQ_CONFIG"]) if environ.get("TQ_CONFIG") else _search(cwd)
    if found is None:
        if wanted:
            raise ImproperlyConfigured(
                f"TQ_PROFILE={wanted}, but there is no {OWN_FILE} and no [tool.tq] in a {PROJECT_FILE} "
                f"in {cwd} or above, so there are no profiles"
            )
        return []
    return _with_profile(found, wanted)


def _with_profile(table: Table, wanted: str) -> list[Table]:
    values = dict(table.values)
    profiles = values.pop("profile", {})
    own = Table(values, table.origin)
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise ImproperlyConfigured(f"{table.origin}: `profile` holds tables, one a profile: [profile.NAME]")
    if not wanted:
        return [own]
    if wanted not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ImproperlyConfigured(
            f"TQ_PROFILE={wanted}, but {table.origin} has no such profile; it has: {known}"
        )
    return [own, Table(profiles[wanted], f"{table.origin} profile {wanted}")]


def _named(cwd: Path, name: str) -> Table:
    path = cwd / Path(name).expanduser()
    table = _read(path)
    if table is None:
        raise ImproperlyConfigured(f"TQ_CONFIG={name}: there is no [tool.tq] in it")
    return table


def _search(cwd: Path) -> Table | None:
    for folder in _folders(cwd):
        tables = [
            t
            for name in (OWN_FILE, PROJECT_FILE)
            if (folder / name).is_file() and (t := _read(folder / name))
        ]
        if len(tables) == 2:
            raise ImproperlyConfigured(
                f"both {tables[0].origin} and {tables[1].origin} have settings: keep one"
            )
        if tables:
            return tables[0]
    return None


def _folders(cwd: Path) -> list[Path]:
    """`cwd` and the folders above it, up to the project's. With no project `cwd` alone: what lies in a folder
    such as /tmp may be anybody's."""
    folders = [cwd, *cwd.parents]
    for index, folder in enumerate(folders):
        if (folder / PROJECT_FILE).is_file() or (folder / ".git").exists():
            return folders[: index + 1]
    return [cwd]


def _read(path: Path) -> Table | None:
    import tomllib

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ImproperlyConfigured(f"cannot read {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ImproperlyConfigured(f"{path} is not valid TOML: {exc}") from exc
    if path.name != PROJECT_FILE:
        return Table(document, str(path))
    tools = document.get("tool")
    own = tools.get("tq") if isinstance(tools, dict) else None
    if own is not None and not isinstance(own, dict):
        raise ImproperlyConfigured(f"{path}: [tool.tq] is a table of settings, not {own!r}")
    return None if own is None else Table(own, f"{path} [tool.tq]")
