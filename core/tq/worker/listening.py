"""A thread that listens to announcements, and goes on to listen whatever happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from tq.contracts.subscription import Subscription
from tq.errors import BrokerError
from tq.policy.backoff import reconnect_delays
from tq.records import Heard

logger = logging.getLogger("tq.control")

WAIT: Final = 5.0
LONGEST_PAUSE: Final = 10.0
COMPLAIN: Final = 60.0
"""Seconds between two lines in the log about the same kind of trouble."""


class ListeningThread:
    """Hands what it hears to `serve`, until closed. `what`: whom it listens to, for the log; `at_once`: announcements
    that are taken from the broker together; `quiet`: held while it connects."""

    def __init__(
        self,
        what: str,
        name: str,
        subscribe: Callable[[], Subscription],
        serve: Callable[[Sequence[Heard]], None],
        *,
        at_once: int,
        quiet: AbstractContextManager[object],
    ) -> None:
        self._what = what
        self._subscribe_anew = subscribe
        self._serve = serve
        self._at_once = at_once
        self._quiet = quiet
        self._subscription: Subscription | None = None
        self.ended = threading.Event()
        """Set by `close`."""
        self._complained: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Listen; what is announced from now on is heard, unless the broker is away."""
        try:
            self._subscribe()
        except BrokerError as exc:
            logger.warning("%s: %s", self._what, exc)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self.ended.set()
        subscription = self._subscription
        if subscription is not None:
            subscription.interrupt()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def complain(self, kind: str, text: str, *details: object) -> None:
        """Once a minute for each kind of trouble; kinds are few."""
        now = time.monotonic()
        if now - self._complained.get(kind, -COMPLAIN) >= COMPLAIN:
            self._complained[kind] = now
            logger.warning(text, *details)

    def _run(self) -> None:
        delays = reconnect_delays(maximum=LONGEST_PAUSE)
        while not self.ended.is_set():
            try:
                subscription = self._subscription or self._subscribe()
                heard = subscription.receive(self._at_once, WAIT)
                if heard:
                    delays = reconnect_delays(maximum=LONGEST_PAUSE)
                    self._serve(heard)
            except BrokerError as exc:
                self.complain("broker", "%s", f"{self._what} is not heard: {exc}")
            except Exception:
                logger.exception("the thread of %s goes on after an unexpected error", self._what)
            else:
                continue
            self._drop()
            self.ended.wait(next(delays))
        self._drop()

    def _subscribe(self) -> Subscription:
        with self._quiet:
            made = self._subscribe_anew()
        self._subscription = made
        return made

    def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with self._quiet:
                subscription.close()
