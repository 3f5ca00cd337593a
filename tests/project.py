"""The distributions of this repository, as its files declare them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ALWAYS = ("sql", "prefork")
"""The plugins that everybody gets with `pip install tq`: the embedded default and the default pool."""


@dataclass(frozen=True)
class Part:
    """One distribution: its folder, its pyproject.toml and, but for the code-less `tq`, its package."""

    folder: Path
    package: Path | None

    @property
    def name(self) -> str:
        """The distribution's name."""
        return str(self.project["name"])

    @property
    def project(self) -> dict[str, Any]:
        """The `[project]` table."""
        table: dict[str, Any] = self.toml["project"]
        return table

    @property
    def toml(self) -> dict[str, Any]:
        """The whole pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def requirements(self) -> list[str]:
        """What it depends on, with and without extras."""
        extras = self.project.get("optional-dependencies", {}).values()
        return [*self.project.get("dependencies", []), *(item for extra in extras for item in extra)]

    def files(self) -> list[Path]:
        """Return the files of the package, without what Python leaves there."""
        if self.package is None:
            return []
        return [f for f in sorted(self.package.rglob("*")) if f.is_file() and "__pycache__" not in f.parts]


BUNDLE = Part(ROOT, None)
CORE = Part(ROOT / "core", ROOT / "core" / "tq")
PLUGINS = [
    Part(file.parent, file.parent / f"tq_{file.parent.name}")
    for file in sorted(ROOT.glob("plugins/*/pyproject.toml"))
]
PARTS = [CORE, *PLUGINS, BUNDLE]
EXAMPLES = [
    Part(file.parent, file.parent / file.parent.name.replace("-", "_"))
    for file in sorted(ROOT.glob("examples/plugins/*/pyproject.toml"))
]
"""Plugins as strangers would write them: not among the parts, since nobody installs them with tq."""
