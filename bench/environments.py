"""An environment for each peer, made once for each list of requirements and each Python."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from bench.peer import Installed, PeerFailed, Variant

_READY = "installed.txt"


def install(variant: Variant, cache: Path) -> Installed:
    """Return the variant with its Python; the environment is made where there is none for what it needs."""
    if variant.own_python:
        return Installed(variant, sys.executable, _versions(_frozen(sys.executable), ("tq-core",)))
    wanted = "\n".join((sys.version, *variant.requirements))
    folder = cache / f"{variant.file.stem}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    ready, python = folder / _READY, folder / "bin" / "python"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _make(variant, folder, str(python))
        ready.write_text(_frozen(str(python)))
    return Installed(variant, str(python), _versions(ready.read_text(), variant.requirements))


def _make(variant: Variant, folder: Path, python: str) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv:
        _run(variant, [uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run(variant, [uv, "pip", "install", "--quiet", "--python", python, *variant.requirements])
    else:
        venv.create(folder, with_pip=True, symlinks=True)
        _run(variant, [python, "-m", "pip", "install", "--quiet", *variant.requirements])


def _run(variant: Variant, command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-3:]
        raise PeerFailed(f"{variant.peer} could not be installed by {command[0]}: {' '.join(said)}")


def _frozen(python: str) -> str:
    """All distributions of an environment with their versions, a line for each."""
    code = "import importlib.metadata as m; print(*sorted({f'{d.name}=={d.version}' for d in m.distributions()}), sep='\\n')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout


def _versions(frozen: str, requirements: Sequence[str]) -> str:
    """Of all that is installed, what the peer's file names."""
    found = dict(line.split("==", 1) for line in frozen.lower().replace("_", "-").splitlines())
    names = [re.split(r"[\[=<>;~]", text)[0].lower().replace("_", "-") for text in requirements]
    return ", ".join(f"{name} {found[name]}" for name in names if name in found)
