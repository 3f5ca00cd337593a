"""Revocations: a stream, which everybody reads from its beginning and which forgets what is older than a week.

A stream hands out its messages with their offsets; the offset after the last one is the version. How many it holds the
server tells at once, so whoever asks knows whether there is more to come.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import msgspec

from tq.records import Revocation
from tq_amqp.messages import MALFORMED
from tq_amqp.outgoing import Outgoing
from tq_amqp.outlet import Outlet
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.properties import pack_properties, read_properties
from tq_amqp.streams import INTERNAL_ERROR, arguments_of, read_stream

logger = logging.getLogger("tq.amqp")
STREAM = "tq.revoked"
_ARGUMENTS = arguments_of(days=8, largest=50_000_000)
_PROPERTIES = pack_properties({"content_type": "application/json", "delivery_mode": 2})


class _Note(msgspec.Struct, frozen=True):
    revocation: Revocation
    until: float
    """Unix time."""


_decode = msgspec.json.Decoder(_Note).decode
_encode = msgspec.json.Encoder().encode


class Revocations:
    """The revocations of one virtual host, as one process reads them. `outlet` is who has the connection now."""

    def __init__(self) -> None:
        self._outlet: Outlet | None = None
        self._channel: Channel | None = None
        self._found: list[tuple[int, _Note]] = []
        self._first: int | None = None
        self._next = 0
        self._usable = True

    def add(self, outlet: Outlet, batch: Sequence[Revocation], expires: float, until: float) -> None:
        """Remember these for `expires` seconds. Raises `Refused`, `Down`, and the error of a note that was refused."""
        outlet.declarer.plain(STREAM, until, **_ARGUMENTS)
        end = time.time() + expires
        notes = [
            Outgoing("", STREAM, _PROPERTIES, _encode(_Note(each, end)), STREAM, reply=True) for each in batch
        ]
        for error in outlet.publish(notes, until):
            if error is not None:
                raise error

    def after(self, outlet: Outlet, version: int, until: float) -> tuple[int, list[Revocation]]:
        """The newest version, and what was written after `version`. Raises `Refused`, `Down`."""
        if self._usable:
            self._read(outlet, until)
        now = time.time()
        self._found = [(offset, note) for offset, note in self._found if note.until > now]
        return self._next, [note.revocation for offset, note in self._found if offset >= version]

    def _read(self, outlet: Outlet, until: float) -> None:
        if self._outlet is not outlet or self._channel is None or self._channel.closed is not None:
            self._outlet, self._channel = outlet, self._listen(outlet, until)
        channel = self._channel
        if channel is None:
            return
        _, count, _ = m.read_declared(channel.call(m.queue_declare(STREAM, passive=True), until))
        while True:
            self._take(channel)
            if self._first is not None and self._next - self._first >= count or not count:
                return
            if not channel.wire.pump(lambda: bool(channel.deliveries or channel.closed), until):
                raise Down("the server did not hand out all revocations in time")
            if channel.closed is not None:
                raise channel.closed

    def _listen(self, outlet: Outlet, until: float) -> Channel | None:
        self._found, self._first = [], None
        try:
            return read_stream(outlet.wire, STREAM, _ARGUMENTS, until)
        except Refused as exc:
            if exc.code == INTERNAL_ERROR:
                raise
            self._usable = False
            logger.warning(
                "workers on this server hear of revoked tasks by remote control alone: the stream %s cannot be used: %s",
                STREAM,
                exc.text,
            )
            return None

    def _take(self, channel: Channel) -> None:
        last = 0
        while channel.deliveries:
            incoming = channel.deliveries.popleft()
            last = incoming.tag
            try:
                headers = read_properties(incoming.properties).get("headers") or {}
                offset = int(headers["x-stream-offset"])
                self._first = offset if self._first is None else self._first
                self._next = offset + 1
                self._found.append((offset, _decode(incoming.body)))
            except (KeyError, *MALFORMED, msgspec.DecodeError) as exc:
                logger.warning("the stream %s holds what is no revocation: %s", STREAM, exc)
        if last:
            channel.send(m.ack(last, multiple=True))
