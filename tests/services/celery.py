"""A Python with the real Celery, in an environment of its own, for interoperation tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

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
    ready = folder / "ready.txt"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "celery.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of pytest-xdist want it at the same time
        wanted = "\n".join(REQUIREMENTS) + "\n"
        if not ready.exists() or ready.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
            ready.write_text(wanted)
    return _python(folder)


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    uv = _has_uv()
    venv.create(folder, with_pip=not uv, symlinks=True)
    installer = [sys.executable, "-m", "uv", "pip", "install", "--python", str(_python(folder))]
    command = installer if uv else [str(_python(folder)), "-m", "pip", "install"]
    done = subprocess.run([*command, "--quiet", *REQUIREMENTS], capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise CeleryMissing(
            f"{' '.join(REQUIREMENTS)} could not be installed; with a package index in reach run the tests again, "
            f"or set {OVERRIDE} to a Python that has it ({last})"
        )


def _has_uv() -> bool:
    return (
        subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode
        == 0
    )
