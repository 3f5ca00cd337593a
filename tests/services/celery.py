"""A Python with the real Celery, in an environment of its own, for interoperation tests."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.services.once import filled_once

REQUIREMENTS = (
    "celery[auth,redis,s3,sqs]==5.7.*",
    "flower==2.*",
    *("msgpack", "pyyaml", "brotli", "pymemcache", "pymongo"),
    "backports.zstd; python_version < '3.14'",  # kombu looks for this one, its extra `zstd` brings another
)
OVERRIDE = "TQ_TEST_CELERY_PYTHON"


class CeleryMissing(Exception):
    """Celery could not be installed; the message ends with the installer's last words and what to do."""


def celery_python(cache: Path) -> Path:
    """Return a Python that imports Celery: the one named by TQ_TEST_CELERY_PYTHON, or one built once below `cache`.

    Raises CeleryMissing.
    """
    named = os.environ.get(OVERRIDE)
    if named:
        return Path(named)
    folder = cache / f"celery-5.7-python{sys.version_info.major}.{sys.version_info.minor}"

    def fill() -> None:
        error = make_environment(folder, REQUIREMENTS)
        if error:
            raise CeleryMissing(
                f"{' '.join(REQUIREMENTS)} could not be installed; with a package index in reach run the tests again, "
                f"or set {OVERRIDE} to a Python that has it ({error})"
            )

    return _python(filled_once(folder, "\n".join(REQUIREMENTS), fill))


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def make_environment(folder: Path, requirements: Sequence[str]) -> str:
    """Make a virtual environment with these; return the installer's last words where it failed, else nothing."""
    uv = _has_uv()
    venv.create(folder, with_pip=not uv, symlinks=True)
    installer = [sys.executable, "-m", "uv", "pip", "install", "--python", str(_python(folder))]
    command = installer if uv else [str(_python(folder)), "-m", "pip", "install"]
    done = subprocess.run([*command, "--quiet", *requirements], capture_output=True, text=True, check=False)
    last = "\n".join(done.stderr.strip().splitlines()[-3:])
    return (last or f"it ended with {done.returncode}") if done.returncode else ""


def _has_uv() -> bool:
    return (
        subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode
        == 0
    )
