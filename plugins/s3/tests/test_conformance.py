"""The result backend under the suite that every plugin passes, on moto, an emulator of S3."""

from __future__ import annotations

import pytest

from tq.testing import ResultBackendConformance
from tq_s3 import S3Backend


class TestS3Backend(ResultBackendConformance):
    """S3 as result backend. moto forgets everything when it ends: restarts are not tested here."""

    backend_class = S3Backend

    @pytest.fixture
    def slow_factor(self) -> float:
        return 3.0

    @pytest.fixture
    def backend_url(self, s3_url: str) -> str:
        return s3_url

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"s3://key:s3cret@tq-results/shop?endpoint_url=http://127.0.0.1:{free_port}&region=eu-west-1"
