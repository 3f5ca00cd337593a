"""Stores in memory that no other test sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tq.beat.memory import MemoryScheduleStore


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    MemoryScheduleStore.reset()
