"""An app on stores in memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tq import TQ


@pytest.fixture
def app() -> Iterator[TQ]:
    url = f"memory://{uuid.uuid4().hex}"
    with TQ("shop", broker=url, backend=url, worker_pool="solo", set_as_current=False) as made:
        yield made
