"""What tests of whole systems share: the stores under them, and the ledger beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """What really ran."""
    return Ledger(tmp_path / "ledger.txt")


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where messages and all else are kept: in an embedded store, and on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tq.db"
    found: str = request.getfixturevalue("redis_url")
    return found
