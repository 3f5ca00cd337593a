"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.services.moto import KEY, REGION, SECRET, MotoServer, shared_sessions

BUCKET = "tq-results"


@pytest.fixture(scope="session", autouse=True)
def _few_sessions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shared_sessions(patch)
        yield


@pytest.fixture
def s3(shared_moto: MotoServer) -> Any:
    """The session's emulator with an empty bucket, as any other program sees it."""
    shared_moto.reset()
    client: Any = boto3.client(
        "s3",
        endpoint_url=shared_moto.url,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture
def s3_url(s3: Any, shared_moto: MotoServer) -> str:
    """The URL of a prefix in that bucket."""
    return f"s3://{KEY}:{SECRET}@{BUCKET}/shop?endpoint_url={shared_moto.url}&region={REGION}"
