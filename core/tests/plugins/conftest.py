"""A folder on `sys.path` in which tests install fake distributions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tq.testing.dist import EntryPoints, fake_dist, on_path

Install = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with on_path(tmp_path / "site") as folder:
        yield folder


@pytest.fixture
def install(site: Path) -> Install:
    """Install a distribution with one module, named after it, which holds `source`."""

    def install(name: str, source: str, entry_points: EntryPoints, version: str = "1.0") -> Path:
        modules = {name.replace("-", "_"): source}
        return fake_dist(site, name, version, entry_points=entry_points, modules=modules)

    return install
