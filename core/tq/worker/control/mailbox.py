"""The thread that hears requests of remote control, and replies.

It waits for requests and does nothing else, so it costs nothing for each task. A request that is malformed, unknown
or fails is answered, or logged, and nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tq.contracts.broker import Broker
from tq.contracts.subscription import Subscription
from tq.errors import DecodeError
from tq.events.clock import Clock
from tq.records import Heard, Message, Notice
from tq.wire.pidbox import REQUESTS, Control, read_request, reply_notice
from tq.worker.control.panel import Panel
from tq.worker.control.state import ControlState
from tq.worker.listening import ListeningThread

AT_ONCE: Final = 50
"""Requests that are taken from the broker at once."""
REPLY_TIMEOUT: Final = 2.0
_TTL: Final = 300.0


class Mailbox:
    """Serves one worker until closed."""

    def __init__(self, broker: Broker, state: ControlState, panel: Panel, clock: Clock) -> None:
        self._broker = broker
        self._state = state
        self._panel = panel
        self._clock = clock
        self._thread = ListeningThread(
            "remote control",
            "tq-mailbox",
            self._subscribe,
            self._answer,
            at_once=AT_ONCE,
            quiet=state.setup.quiet,
        )
        self._complain = self._thread.complain

    def start(self) -> None:
        """Listen; requests that come from now on are heard, unless the broker is away."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._thread.close()

    def _subscribe(self) -> Subscription:
        queue = f"{self._state.hostname}.{REQUESTS.name}"
        return self._broker.subscribe(REQUESTS, queue=queue, ttl=_TTL)

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
