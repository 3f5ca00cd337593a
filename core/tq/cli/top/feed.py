"""The threads that keep a fleet up to date: one hears events, one asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from tq.app.app import TQ
from tq.cli.top.fleet import Fleet
from tq.cli.top.poll import Asker
from tq.errors import TQError
from tq.events.receiver import Receiver
from tq.policy.backoff import reconnect_delays

logger = logging.getLogger("tq.cli.top")

JOIN = 3.0
"""Seconds that a thread gets to end; both are daemons."""


class Feed:
    """Runs both threads while its block lasts. `interval` seconds lie between two rounds of questions."""

    def __init__(self, app: TQ, fleet: Fleet, asker: Asker, interval: float) -> None:
        self._app = app
        self._fleet = fleet
        self._asker = asker
        self._interval = interval
        self._end = threading.Event()
        self._rounds = threading.Condition()
        self._asked = 0
        self._threads: list[threading.Thread] = []
        self._receiver: Receiver | None = None

    def __enter__(self) -> Self:
        targets = [self._ask, *([self._listen] if self._asker.hears_events else [])]
        for target in targets:
            thread = threading.Thread(target=target, name=f"tq-top{target.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        if self._receiver is not None:
            self._receiver.should_stop = True
        for thread in self._threads:
            thread.join(JOIN)

    def wait(self, rounds: int, seconds: float | None = None) -> bool:
        """Wait until so many rounds of questions were asked since the start; False: not within these seconds."""
        with self._rounds:
            return self._rounds.wait_for(lambda: self._asked >= rounds, seconds)

    @property
    def rounds(self) -> int:
        """Rounds of questions that were asked so far."""
        return self._asked

    def _ask(self) -> None:
        while not self._end.is_set():
            self._asker.meet(self._fleet.workers())
            self._fleet.polled(self._asker.ask())
            with self._rounds:
                self._asked += 1
                self._rounds.notify_all()
            self._end.wait(self._interval)

    def _listen(self) -> None:
        delays = reconnect_delays(maximum=5.0)
        while not self._end.is_set():
            receiver = self._receiver = self._app.events.Receiver(handlers={"*": self._fleet.heard})
            # Who ends this from now on finds the receiver.
            receiver.should_stop = self._end.is_set()
            try:
                receiver.capture(limit=None, timeout=None)
            except TQError as exc:
                logger.warning("events are not heard: %s", exc)
                self._end.wait(next(delays))


@contextmanager
def quiet_log() -> Iterator[None]:
    """Inside, what tq logs does not spoil the screen: what is wrong is part of the picture."""
    log = logging.getLogger("tq")
    handler, propagates = logging.NullHandler(), log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = propagates
