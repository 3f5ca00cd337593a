"""Folders that are filled once and kept for later runs."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


def filled_once(folder: Path, wanted: str, fill: Callable[[], None]) -> Path:
    """Return `folder`, which `fill` fills unless it was filled for just this `wanted`. Safe among processes."""
    ready = folder / "ready.txt"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of pytest-xdist want it at the same time
        if not ready.exists() or ready.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            fill()
            ready.write_text(wanted)
    return folder
