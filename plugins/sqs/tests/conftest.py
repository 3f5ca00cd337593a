"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.kits import NewKit, kits_of
from tests.services.moto import (
    MotoServer,
    few_sessions,  # noqa: F401 - in use for all tests of the folder
)
from tq.testing.broker_kit import BrokerKit
from tq_sqs import SqsBroker


@pytest.fixture
def new_kit() -> Iterator[NewKit]:
    """Make kits: `new_kit(url, option=value, ...)`."""
    yield from kits_of(SqsBroker, 3.0)


@pytest.fixture
def kit(sqs_url: str, new_kit: NewKit) -> BrokerKit:
    """Brokers and consumers on the session's emulator, which is empty."""
    return new_kit(sqs_url)


@pytest.fixture
def sqs(sqs_url: str, shared_moto: MotoServer) -> Any:
    """The session's emulator, as any other program sees it."""
    return shared_moto.client("sqs")
