"""Fake distributions: real metadata on disk, for tests of discovery without pip."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

EntryPoints = Mapping[str, Mapping[str, str]]
"""Group → name → `module:attr`."""


def fake_dist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    entry_points: EntryPoints | None = None,
    modules: Mapping[str, str] | None = None,
) -> Path:
    """Write what pip would have installed of a distribution into `folder`; returns its `.dist-info`.

    `modules` is module name → source text. See `on_path` for making them importable.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    (info / "entry_points.txt").write_text(_ini(entry_points or {}), "utf-8")
    for module, source in (modules or {}).items():
        (folder / f"{module}.py").write_text(source, "utf-8")
    importlib.invalidate_caches()
    return info


@contextmanager
def on_path(folder: Path) -> Iterator[Path]:
    """Put `folder` first on `sys.path`; afterwards forget it, and the modules imported from it."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
                del sys.modules[name]


def _ini(entry_points: EntryPoints) -> str:
    groups = []
    for group, entries in entry_points.items():
        lines = [f"{name} = {target}" for name, target in entries.items()]
        groups.append("\n".join([f"[{group}]", *lines, ""]))
    return "\n".join(groups)
