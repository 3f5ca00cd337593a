"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.services.moto import KEY, REGION, SECRET, MotoServer, shared_sessions
from tq.testing.broker_kit import BrokerKit
from tq_sqs import SqsBroker

NewKit = Callable[..., BrokerKit]


@pytest.fixture(scope="session", autouse=True)
def _few_sessions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        shared_sessions(patch)
        yield


@pytest.fixture
def new_kit() -> Iterator[NewKit]:
    """Make kits: `new_kit(url, option=value, ...)`."""
    made: list[BrokerKit] = []

    def make(url: str, **options: Any) -> BrokerKit:
        made.append(BrokerKit(SqsBroker, url, options, 3.0))
        return made[-1]

    yield make
    for kit in made:
        kit.close()


@pytest.fixture
def kit(sqs_url: str, new_kit: NewKit) -> BrokerKit:
    """Brokers and consumers on the session's emulator, which is empty."""
    return new_kit(sqs_url)


@pytest.fixture
def sqs(sqs_url: str, shared_moto: MotoServer) -> Any:
    """The session's emulator, as any other program sees it."""
    return boto3.client(
        "sqs",
        endpoint_url=shared_moto.url,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
