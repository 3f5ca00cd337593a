"""Apps on the memory broker, each with a store of its own, and workers for them in a thread."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tq import TQ
from tq.app import current
from tq.app.work import WorkerOptions, make_worker
from tq.worker.worker import Worker

RunWorker = Callable[..., AbstractContextManager[Worker]]
MakeApp = Callable[..., TQ]


@pytest.fixture(autouse=True)
def _no_app_stays_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_ambient", current._Ambient())


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Make an app with its own memory store; the settings may say otherwise."""
    with contextlib.ExitStack() as apps:

        def make(main: str | None = "shop", **settings: Any) -> TQ:
            url = f"memory://{uuid.uuid4().hex}"
            settings = {"broker": url, "backend": url, "worker_pool": "solo", **settings}
            return apps.enter_context(TQ(main, **settings))

        yield make


@pytest.fixture
def app(make_app: MakeApp) -> TQ:
    return make_app()


@pytest.fixture
def run_worker() -> RunWorker:
    """Run a worker of an app, with these options, while the block runs."""

    @contextlib.contextmanager
    def run(app: TQ, **options: Any) -> Iterator[Worker]:
        worker = make_worker(app, WorkerOptions(**options))
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(timeout=10)
        assert not thread.is_alive()

    return run
