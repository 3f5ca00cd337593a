"""Stores, workers and the client's app, for one module's tests or for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import tasks
from tests.processes import Ledger, Workers
from tq import TQ


@pytest.fixture
def app(url: str) -> Iterator[TQ]:
    """The client's side of `tests.e2e.tasks`."""
    with connected(url, url) as ready:
        yield ready


@pytest.fixture
def workers(url: str, ledger: Ledger) -> Iterator[Workers]:
    """Starts workers, and ends them whatever happens."""
    started = Workers("tests.e2e.tasks", url, url, ledger)
    yield started
    started.close()


def connected(broker: str, backend: str, *, publish_timeout: float = 4.0) -> TQ:
    """The app of the tasks, as a client of these stores."""
    tasks.app.close()
    tasks.app.conf.update(broker_url=broker, result_backend=backend, broker_publish_timeout=publish_timeout)
    return tasks.app
