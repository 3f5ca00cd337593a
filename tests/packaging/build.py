"""Build distributions: `python build.py OUT FOLDER...`.

For each folder its source archive, and the wheel from that archive and not from the checkout. `python -m build` does the
same with two processes for each.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from pathlib import Path

from hatchling import build


def archive_and_wheel(folder: Path, out: Path) -> None:
    """Build both of one project into `out`."""
    os.chdir(folder)
    archive = out / build.build_sdist(str(out))
    with tempfile.TemporaryDirectory() as place, tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
        os.chdir(Path(place) / archive.name.removesuffix(".tar.gz"))
        build.build_wheel(str(out))
        os.chdir(folder)


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        archive_and_wheel(Path(argument).absolute(), Path(sys.argv[1]).absolute())
