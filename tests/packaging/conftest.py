"""Wheels of all distributions, built once, and empty environments to install them into."""

from __future__ import annotations

import sys
import venv
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
    for part in PARTS:
        # Without --wheel or --sdist, `build` makes the wheel from the archive and not from the checkout.
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, part.folder)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[], Environment]:
    """Make an empty virtual environment, with pip only when it is asked for."""

    def make(*, pip: bool = False) -> Environment:
        if pip:
            base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
            run(base, "-m", "venv", tmp_path / "venv")
        else:
            venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
        return Environment(tmp_path / "venv")

    return make
