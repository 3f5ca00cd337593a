"""The servers of the fault tests: one of each kind for each file of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stores import Servers


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.close()
