"""The files that a setting points at: one, those of a folder, or those that a pattern matches."""

from __future__ import annotations

import glob
from pathlib import Path

from tq.errors import ImproperlyConfigured


def files_of(setting: str, where: str) -> list[Path]:
    """The files, sorted by name. Raises `ImproperlyConfigured` where there is none."""
    pattern = str(Path(where) / "*") if Path(where).is_dir() else where
    found = sorted(path for path in map(Path, glob.glob(pattern)) if path.is_file())
    if not found:
        raise ImproperlyConfigured(
            f"{setting} = {where!r} names no file; give a file, a folder of them, or a pattern like /etc/tq/*.pem"
        )
    return found
