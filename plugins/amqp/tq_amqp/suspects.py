"""How often the holder of a message died while it ran it: what the server does not count, counted in notes.

The server says of a message only that it was handed out before, and that is also true of what was given back in good
order. So a message that comes again is a suspect: it is handed out alone, after a note BEGIN, and with its settlement
goes a note END. A BEGIN without an END is a holder that died. The notes lie in a stream, which keeps them for a day
and lets everybody read them all; whoever has written BEGIN reads until it sees it. Messages that come for the first
time cost nothing. Of them a BEGIN is written once the body has run for a while; and a worker that outlives its child
writes one in the child's place, or OVER where the message is to run no more. Where a whole worker dies soon after the
start of a body that never ran before, the death is not counted.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tq.records import Message, Undecodable
from tq_amqp.outgoing import Outgoing
from tq_amqp.outlet import Outlet
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.properties import pack_properties
from tq_amqp.streams import INTERNAL_ERROR, arguments_of, read_stream

logger = logging.getLogger("tq.amqp")
STREAM = "tq.suspects"
_ARGUMENTS = arguments_of(days=1, largest=5_000_000)
_PROPERTIES = pack_properties({"content_type": "application/json", "delivery_mode": 2})
_UNCOUNTED = (
    "messages whose holders die are not counted, and may kill one worker after the other: the stream %s cannot be "
    "used: %s"
)


class _Note(msgspec.Struct, frozen=True, omit_defaults=True):
    message: str
    begin: str = ""
    """Names a run; empty: the message was settled."""
    over: bool = False
    """Whoever gets the message next has to settle it, and not to run it."""


_decode = msgspec.json.Decoder(_Note).decode
_encode = msgspec.json.Encoder().encode


def identity(message: Message | Undecodable, queue: str) -> str:
    """What tells a message from others; no header of its own, for other programs' messages come as well."""
    if isinstance(message, Undecodable):
        parts: Sequence[Any] = (queue, message.raw)
    else:
        parts = (queue, message.headers.get("id"), message.headers.get("retries"), message.body)
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def make_stream(outlet: Outlet, until: float) -> None:
    """Make the stream, where there is none yet, and write into it, on a connection that holds nothing: the server ends the
    connection of whoever does so while another one makes it. A server without streams is for who writes the first note.
    Raises `Down`, and `Refused` for a stream that is being made."""
    _write(outlet, _Note(""), until)


def note_death(outlet: Outlet, message: str, run: str, until: float, *, over: bool) -> bool:
    """Write what a holder that is gone would have had to say: that it ran the message; `over`: for the last time.

    Raises `Down`, and the error of a note that was refused. False on a server without streams, where it does nothing.
    """
    why = _write(outlet, _Note(message, run, over), until)
    if why:
        logger.warning(_UNCOUNTED, STREAM, why)
    return not why


def _write(outlet: Outlet, note: _Note, until: float) -> str:
    """Why the server has no stream for a note; empty where it took it."""
    try:
        outlet.declarer.plain(STREAM, until, **_ARGUMENTS)
    except Refused as exc:
        if exc.code == INTERNAL_ERROR:
            raise
        return exc.text
    for error in outlet.publish([_out(note)], until):
        if error is not None:
            raise error
    return ""


def name_of(consumer_id: str, receipt: int | str) -> str:
    """The name of a run."""
    return f"{consumer_id}:{receipt}"


class Suspects:
    """The notes, as one consumer reads and writes them."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._channel: Channel | None = None
        self._open: defaultdict[str, set[str]] = defaultdict(set)
        self._over: set[str] = set()
        self._usable = True

    def begin(self, message: str, run: str, until: float) -> int | None:
        """Note that a suspect begins to run; how many of its holders died before; None: it is over. 0 where the server
        has no streams."""
        channel = self._listen(until)
        if channel is None:
            return 0
        for error in self._outlet.publish([_out(_Note(message, run))], until):
            if error is not None:
                raise error
        while run not in self._open[message]:
            if not channel.wire.pump(lambda: bool(channel.deliveries or channel.closed), until):
                raise Down("the server did not hand out a note in time")
            if channel.closed is not None:
                raise channel.closed
            self._read(channel)
        return None if message in self._over else len(self._open[message]) - 1

    def note(self, message: str, run: str, until: float) -> None:
        """Note what runs for the first time, and has for long."""
        self._usable = self._usable and note_death(self._outlet, message, run, until, over=False)

    def end(self, messages: Iterable[str]) -> list[Outgoing]:
        """The notes that go with the settlements of suspects."""
        return [_out(_Note(message)) for message in messages] if self._usable else []

    def _listen(self, until: float) -> Channel | None:
        if self._channel is None and self._usable:
            try:
                self._channel = read_stream(self._outlet.wire, STREAM, _ARGUMENTS, until)
            except Refused as exc:
                if exc.code == INTERNAL_ERROR:
                    raise
                self._usable = False
                logger.warning(_UNCOUNTED, STREAM, exc.text)
        return self._channel

    def _read(self, channel: Channel) -> None:
        last = 0
        while channel.deliveries:
            incoming = channel.deliveries.popleft()
            last = incoming.tag
            try:
                note = _decode(incoming.body)
            except (msgspec.DecodeError, UnicodeError) as exc:
                logger.warning("the stream %s holds what is no note: %s", STREAM, exc)
                continue
            if note.begin:
                self._open[note.message].add(note.begin)
                if note.over:
                    self._over.add(note.message)
            else:
                self._open.pop(note.message, None)
                self._over.discard(note.message)
        if last:
            channel.send(m.ack(last, multiple=True))


def _out(note: _Note) -> Outgoing:
    return Outgoing("", STREAM, _PROPERTIES, _encode(note), STREAM, reply=True)
