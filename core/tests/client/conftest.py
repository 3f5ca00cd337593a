"""An app on a memory store, and results in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tq import TQ


@pytest.fixture
def app() -> Iterator[TQ]:
    url = f"memory://{uuid.uuid4().hex}"
    with TQ("results", broker=url, backend=url, set_as_current=False) as app:
        yield app
