"""The broker under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tq.testing import BrokerConformance
from tq_filesystem import FilesystemBroker
from tq_filesystem.labels import key_of, new_label


class TestFilesystemBroker(BrokerConformance):
    """A folder as broker."""

    broker_class = FilesystemBroker

    @pytest.fixture
    def broker_url(self, tmp_path: Path) -> str:
        return f"filesystem://{tmp_path}/tq"

    @pytest.fixture
    def put_raw(self, tmp_path: Path) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            folder = tmp_path / "tq" / "queues" / key_of(queue)
            (folder / "ready").mkdir(parents=True, exist_ok=True)
            (folder / "ready" / str(new_label(None, 1))).write_bytes(raw)
            (folder / "bell").open("ab").write(b".")

        return put
