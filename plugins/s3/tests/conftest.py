"""What the tests of this plugin share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.moto import (
    KEY,
    REGION,
    SECRET,
    MotoServer,
    few_sessions,  # noqa: F401 - in use for all tests of the folder
)

BUCKET = "tq-results"


@pytest.fixture
def s3(shared_moto: MotoServer) -> Any:
    """The session's emulator with an empty bucket, as any other program sees it."""
    shared_moto.reset()
    client: Any = shared_moto.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture
def s3_url(s3: Any, shared_moto: MotoServer) -> str:
    """The URL of a prefix in that bucket."""
    return f"s3://{KEY}:{SECRET}@{BUCKET}/shop?endpoint_url={shared_moto.url}&region={REGION}"
