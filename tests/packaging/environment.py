"""A virtual environment, asked from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_LIST = """
import importlib.metadata as m, json
print(json.dumps({d.name: [d.version, d.read_text("RECORD")] for d in m.distributions()}))
"""
_LOAD = """
import importlib.metadata as m, json
points = {}
for d in m.distributions():
    for p in d.entry_points:
        if p.group.startswith("tq."):
            p.load()
            points.setdefault(p.group, []).append(p.name)
print(json.dumps(points))
"""


def build_wheel(part: Path, dist: Path) -> None:
    """Build the wheel of a folder into `dist`, with what is installed here, and nothing from an index."""
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", dist, part)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command outside of any environment of this process; return its output, or fail with it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VIRTUAL_ENV", "PYTHON", "COV"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, *, pip: bool = False) -> Environment:
        """Make an empty one, with pip only when it is asked for."""
        if pip:
            base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
            run(base, "-m", "venv", folder)
        else:
            venv.create(folder, with_pip=False, symlinks=True)
        return cls(folder)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def uv(self, *words: str | Path) -> str:
        """Run `uv pip WORDS` on it."""
        return run(sys.executable, "-m", "uv", "pip", *words, "--python", self.python)

    def pip(self, *words: str | Path, cwd: Path | None = None) -> str:
        """Run its own pip."""
        return run(self.python, "-m", "pip", *words, cwd=cwd)

    def distributions(self) -> dict[str, tuple[str, str]]:
        """Return version and RECORD of everything installed, by name."""
        return {name: (version, record) for name, [version, record] in self._ask(_LIST).items()}

    def ours(self) -> set[str]:
        """Return the names of the installed distributions of tq."""
        return {name for name in self.distributions() if name == "tq" or name.startswith("tq-")}

    def loaded_entry_points(self) -> dict[str, list[str]]:
        """Load every entry point in a group of tq's; return their names by group."""
        points: dict[str, list[str]] = self._ask(_LOAD)
        return points

    def _ask(self, script: str) -> dict[str, list[str]]:
        # Not in the repository, where `import tests` or a folder named `core` could be found by accident.
        answer: dict[str, list[str]] = json.loads(run(self.python, "-I", "-c", script, cwd=self.folder))
        return answer
