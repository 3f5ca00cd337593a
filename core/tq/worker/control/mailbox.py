"""The thread that hears requests of remote control, and replies.

It waits for requests and does nothing else, so it costs nothing for each task. A request that is malformed, unknown
or fails is answered, or logged, and nothing more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from tq.contracts.broker import Broker
from tq.contracts.subscription import Subscription
from tq.errors import BrokerError, DecodeError
from tq.events.clock import Clock
from tq.policy.backoff import reconnect_delays
from tq.records import Heard, Message, Notice
from tq.wire.pidbox import REQUESTS, Control, read_request, reply_notice
from tq.worker.control.panel import Panel
from tq.worker.control.state import ControlState

logger = logging.getLogger("tq.control")

AT_ONCE: Final = 50
"""Requests that are taken from the broker at once."""
WAIT: Final = 5.0
REPLY_TIMEOUT: Final = 2.0
_TTL: Final = 300.0
LONGEST_PAUSE: Final = 10.0
COMPLAIN: Final = 60.0
"""Seconds between two lines in the log about the same kind of trouble."""


class Mailbox:
    """Serves one worker until closed."""

    def __init__(self, broker: Broker, state: ControlState, panel: Panel, clock: Clock) -> None:
        self._broker = broker
        self._state = state
        self._panel = panel
        self._clock = clock
        self._subscription: Subscription | None = None
        self._ended = False
        self._end = threading.Event()
        self._complained: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="tq-mailbox", daemon=True)

    def start(self) -> None:
        """Listen; requests that come from now on are heard, unless the broker is away."""
        try:
            self._subscribe()
        except BrokerError as exc:
            logger.warning("remote control: %s", exc)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._ended = True
        self._end.set()
        subscription = self._subscription
        if subscription is not None:
            subscription.interrupt()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    # -- the thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        delays = reconnect_delays(maximum=LONGEST_PAUSE)
        while not self._ended:
            try:
                subscription = self._subscription or self._subscribe()
                heard = subscription.receive(AT_ONCE, WAIT)
                if heard:
                    delays = reconnect_delays(maximum=LONGEST_PAUSE)
                    self._answer(heard)
            except BrokerError as exc:
                self._complain("broker", "remote control is not heard: %s", exc)
                self._drop()
                self._end.wait(next(delays))
            except Exception:
                logger.exception("the thread of remote control goes on after an unexpected error")
                self._drop()
                self._end.wait(next(delays))
        self._drop()

    def _subscribe(self) -> Subscription:
        queue = f"{self._state.hostname}.{REQUESTS.name}"
        with self._state.setup.quiet:
            made = self._broker.subscribe(REQUESTS, queue=queue, ttl=_TTL)
        self._subscription = made
        return made

    def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with self._state.setup.quiet:
                subscription.close()

    def _answer(self, heard: Sequence[Heard]) -> None:
        replies = [reply for each in heard for reply in self._one(each)]
        if not replies:
            return
        with self._state.setup.quiet:
            answers = self._broker.announce(replies, timeout=REPLY_TIMEOUT)
        for error in answers:
            if error is not None:
                self._complain("reply", "a reply of remote control could not be sent: %s", error)

    def _one(self, heard: Heard) -> list[Notice]:
        try:
            control = read_request(heard.message)
            assert isinstance(heard.message, Message)
            self._clock.adjust(heard.message.headers.get("clock"))
            if not control.is_for(self._state.hostname):
                return []
        except DecodeError as exc:
            self._complain("request", "a request of remote control is ignored: %s", exc)
            return []
        reply = self._dispatch(control)
        if control.reply_to is None:
            return []
        return [reply_notice(self._state.hostname, reply, control, self._clock.forward())]

    def _dispatch(self, control: Control) -> Any:
        command = self._panel.find(control.method)
        if command is None:
            self._complain("unknown", "no command of remote control is called %.100r", control.method)
            return {"error": repr(KeyError(control.method[:100]))}
        try:
            return command.function(self._state, **control.arguments)
        except Exception as exc:  # noqa: BLE001 - whatever a command raises is its reply
            self._complain(
                f"command {command.name}", "%s", f"remote control: {command.name} failed: {exc!r:.300}"
            )
            return {"error": f"{exc!r:.1000}"}

    def _complain(self, kind: str, text: str, *details: object) -> None:
        """Once a minute for each kind of trouble; kinds are few."""
        now = time.monotonic()
        if now - self._complained.get(kind, -COMPLAIN) >= COMPLAIN:
            self._complained[kind] = now
            logger.warning(text, *details)
