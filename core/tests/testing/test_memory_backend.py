from collections.abc import Iterator

import pytest

from tq.results.memory import MemoryBackend
from tq.testing import ResultBackendConformance


class TestMemoryBackend(ResultBackendConformance):
    backend_class = MemoryBackend

    @pytest.fixture
    def backend_url(self) -> Iterator[str]:
        yield "memory://conformance"
        MemoryBackend.reset("conformance")

    @pytest.fixture
    def short_life(self) -> float:
        return 0.1
