"""A built wheel, opened."""

from __future__ import annotations

import zipfile
from pathlib import Path


def open_wheel(dist: Path, name: str) -> zipfile.ZipFile:
    """Open the one wheel of a distribution in the folder `dist`."""
    [file] = dist.glob(f"{name.replace('-', '_')}-[0-9]*.whl")
    return zipfile.ZipFile(file)


def hashed_files(dist: Path, name: str) -> set[str]:
    """Return the lines of the wheel's RECORD that carry a hash."""
    with open_wheel(dist, name) as wheel:
        [record] = [file for file in wheel.namelist() if file.endswith(".dist-info/RECORD")]
        return {line for line in wheel.read(record).decode().splitlines() if "sha256=" in line}
