"""A worker that runs on the test's own thread until nothing is left, and can be made to die at the worst moment."""

from __future__ import annotations

import random
import time
from typing import Any

from tq import TQ
from tq.app.work import make_worker
from tq.records import Action, Delivery, Settlement
from tq.worker.link import Link
from tq.worker.seat import LocalSeat


class Stage:
    """`crashes` is the share of runs after which the worker dies: their members are counted, their messages come
    back. Of what is received together, `dice` decide the order."""

    def __init__(self, app: TQ, *, crashes: float = 0.0, dice: random.Random | None = None) -> None:
        self._setup = make_worker(app)._setup
        self._executor = self._setup.executor
        self._crashes = crashes
        self._dice = dice or random.Random(1)
        self.link = Link(self._setup.stores, lambda name: None)
        self.ran: list[str] = []

    def drain(self, most: int = 100_000) -> None:
        """Run all that there is, and what follows it."""
        done: list[Settlement] = []
        while True:
            received = list(self.link.turn(done, 50, 0.0))
            if not received and not done:
                self.link.close()
                return
            if self._executor.revocations is not None:
                self._executor.revocations.refresh()
            self._dice.shuffle(received)
            done = [self.run(delivery) for delivery in received]
            assert len(self.ran) < most, "it does not end"

    def run(self, delivery: Delivery) -> Settlement:
        """Run one delivery to its settlement."""
        run = self._executor.admit(delivery)
        run.started = time.monotonic()
        if run.outcome is None:
            self._executor.perform(run, LocalSeat())
        settlement = self._executor.conclude(run)
        self.ran.append(run.call.id if run.call else "?")
        if self._dice.random() < self._crashes:
            self.link._counted([settlement])
            return Settlement(delivery, Action.REQUEUE)
        return settlement


def every_result(result: Any) -> list[Any]:
    """A result, its members, and those before it."""
    found, todo = [], [result]
    while todo:
        each = todo.pop()
        members = getattr(each, "results", None)
        todo += members or []
        todo += [each.parent] if each.parent is not None else []
        found += [each] if members is None else []
    return found
