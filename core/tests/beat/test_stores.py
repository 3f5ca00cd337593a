"""The stores of the core keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tq.beat.file import FileScheduleStore
from tq.beat.memory import MemoryScheduleStore
from tq.contracts.schedules import Row
from tq.errors import BackendError
from tq.testing import ScheduleStoreConformance
from tq.testing.schedules import entry


class TestMemory(ScheduleStoreConformance):
    store_class = MemoryScheduleStore

    @pytest.fixture
    def store_url(self) -> Iterator[str]:
        yield "memory://conformance"
        MemoryScheduleStore.reset()

    @pytest.fixture
    def short_lease(self) -> float:
        return 0.05


class TestFile(ScheduleStoreConformance):
    store_class = FileScheduleStore

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        return f"file://{tmp_path}/folder/schedule.json"

    @pytest.fixture
    def short_lease(self) -> float:
        return 0.1


@pytest.mark.parametrize("content", [b"mine", b'{"\xff": {}}'])
def test_a_file_that_is_no_schedule_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "schedule.json"
    file.write_bytes(content)
    store = FileScheduleStore(f"file://{file}")
    with pytest.raises(BackendError, match=r"schedule\.json cannot be read"):
        store.save([Row(entry())])
    assert file.read_bytes() == content


def test_a_file_below_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = FileScheduleStore(f"file://{tmp_path}/none/none/schedule.json")
    with pytest.raises(BackendError, match="No such file"):
        store.save([Row(entry())])
