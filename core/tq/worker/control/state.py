"""What a command of remote control can reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tq.contracts.pool import PoolCap
from tq.worker.answers import Answer, Question

if TYPE_CHECKING:
    from tq.worker.autoscale import Autoscaler
    from tq.worker.setup import WorkerSetup
    from tq.worker.worker import Worker

PATIENCE = 0.5
"""Seconds that a child has for its answer."""


class ControlState:
    """One worker, as commands see it. `app` is its application, `worker` the worker itself."""

    def __init__(
        self,
        app: Any,
        worker: Worker,
        setup: WorkerSetup,
        *,
        pool_name: str,
        autoscaler: Autoscaler | None = None,
    ) -> None:
        self.app = app
        self.worker = worker
        self.setup = setup
        self.pool_name = pool_name
        self.autoscaler = autoscaler
        self.started = time.monotonic()
        self.samples: list[str] = []
        """What `memsample` saw."""

    @property
    def hostname(self) -> str:
        """The worker's name."""
        return self.setup.hostname

    @property
    def has_children(self) -> bool:
        """Whether bodies run in processes of their own."""
        return PoolCap.ISOLATED in self.worker.pool.capabilities

    def ask(self, question: Question) -> list[Answer]:
        """The answers of all processes that run bodies; one that does not answer in time is left out."""
        own = self.setup.answers.answer(question) if self.setup.answers is not None else None
        if not self.has_children:
            return [own] if own is not None else []
        raw = self.worker.pool.ask(msgspec.json.encode(question), PATIENCE)
        return [msgspec.json.decode(text, type=Answer) for text in raw.values() if text != b"{}"]

    def change(self, **what: Any) -> None:
        """Change plans here, for children to come, and in the children that live."""
        self.ask(Question(change=what))

    def quietly(self, work: Callable[[], Any]) -> Any:
        """Talk to a server while nothing is forked."""
        with self.setup.quiet:
            return work()
