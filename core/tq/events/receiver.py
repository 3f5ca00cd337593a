"""Listens to events, and hands each to its handler."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Final

from tq.contracts.subscription import Subscription
from tq.errors import BrokerUnavailable, DecodeError
from tq.events.clock import Clock
from tq.events.event import EVERYTHING, Event, events_of
from tq.policy.backoff import reconnect_delays
from tq.records import Heard, Undecodable

logger = logging.getLogger("tq.events")

Handler = Callable[[Event], object]
AT_ONCE: Final = 100
"""Messages that are read at once; each may hold many events."""
LOOK: Final = 0.5
"""Seconds until `should_stop` is looked at again."""


class Receiver:
    """Hands events to `handlers`, by type; "*" takes those that no other takes. Made by `app.events.Receiver`.

    `routing_key` chooses: "#" all, "task.#", "worker.*". What a handler raises ends `capture`.
    """

    def __init__(
        self,
        subscribe: Callable[[str], Subscription],
        clock: Clock,
        handlers: Mapping[str, Handler] | None = None,
        routing_key: str = EVERYTHING,
        *,
        wakeup: Callable[[], None] | None = None,
    ) -> None:
        self.handlers = dict(handlers or {})
        self.routing_key = routing_key
        self.should_stop = False
        self._subscribe = subscribe
        self._clock = clock
        self._wakeup = wakeup

    def capture(self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True) -> None:
        """Handle events until `should_stop` is set, or until `limit` events came; the broker is waited for when it
        goes away. Raises `TimeoutError` where none came for `timeout` seconds. `wakeup` asks workers for heartbeats."""
        for _ in self.itercapture(limit, timeout, wakeup):
            continue

    def itercapture(
        self, limit: int | None = None, timeout: float | None = None, wakeup: bool = True
    ) -> Iterator[Event]:
        """`capture`, and each event."""
        with closing(self._subscribe(self.routing_key)) as subscription:
            if wakeup:
                self.wakeup_workers()
            taken, last = 0, time.monotonic()
            delays = reconnect_delays(maximum=5.0)
            while not self.should_stop:
                try:
                    heard = subscription.receive(AT_ONCE, LOOK)
                except BrokerUnavailable as exc:
                    pause = next(delays)
                    logger.warning("%s; listening again in %.1f s", exc, pause)
                    time.sleep(pause)
                    continue
                delays = reconnect_delays(maximum=5.0)
                for event in (event for each in heard for event in self.events_from(each)):
                    last = time.monotonic()
                    self.process(event["type"], event)
                    yield event
                    taken += 1
                    if self.should_stop or taken == limit:
                        return
                if timeout is not None and time.monotonic() - last > timeout:
                    raise TimeoutError(f"no event came for {timeout:g} s")

    def process(self, type: str, event: Event) -> None:
        """Call the handler of this type."""
        handler = self.handlers.get(type) or self.handlers.get("*")
        if handler is not None:
            handler(event)

    def wakeup_workers(self) -> None:
        """Ask workers for a heartbeat now, where remote control is there."""
        if self._wakeup is not None:
            self._wakeup()

    def events_from(self, heard: Heard) -> list[Event]:
        """The events of one message, with `local_received`; nothing for what cannot be read."""
        if isinstance(heard.message, Undecodable):
            logger.debug("what came under %s is no message: %s", heard.routing_key, heard.message.reason)
            return []
        try:
            events = events_of(heard.message)
        except DecodeError as exc:
            logger.debug("what came under %s is no event: %s", heard.routing_key, exc)
            return []
        for event in events:
            self._note(event)
        return events

    def _note(self, event: Event) -> None:
        event["local_received"] = time.time()
        if event["type"] == "task-sent":
            # Who sends hears no events, so its clock says nothing.
            event["clock"] = self._clock.value
        elif "clock" in event:
            self._clock.adjust(event["clock"])
        else:
            event["clock"] = self._clock.forward()
