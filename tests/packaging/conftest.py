"""Wheels of all distributions, built once, and empty environments to install them into."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.environment import Environment, run
from tests.project import PARTS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests, so that `-m "not packaging"` leaves them out, and keep them on one xdist worker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.packaging)
            item.add_marker(pytest.mark.xdist_group("packaging"))


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive of every distribution and the wheel built from that archive."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, Path(__file__).with_name("build.py"), folder, *(part.folder for part in PARTS))
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[], Environment]:
    """Make an empty virtual environment, with pip only when it is asked for."""

    def make(*, pip: bool = False) -> Environment:
        return Environment.made(tmp_path / "venv", pip=pip)

    return make
