"""The result backend under the suite that every plugin passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tq.testing import ResultBackendConformance
from tq_filesystem import FilesystemBackend


class TestFilesystemBackend(ResultBackendConformance):
    """A folder as result backend."""

    backend_class = FilesystemBackend

    @pytest.fixture
    def backend_url(self, tmp_path: Path) -> str:
        return f"file://{tmp_path}/results"
