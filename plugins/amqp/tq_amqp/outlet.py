"""Publishing with confirms on one connection: all is sent, then the server's answers are awaited, item by item."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from tq.errors import BrokerUnavailable, EncodeError, PublishError
from tq_amqp.faults import Server
from tq_amqp.outgoing import Office, Outgoing
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Returned
from tq_amqp.protocol.wire import Wire
from tq_amqp.topology import Declarer, Topology

_WINDOW = 2**22
"""Bytes that may be on their way without an answer."""
_NOT_FOUND = 404
_PAUSE = 0.05
"""Seconds before a queue that may be in the making is tried again."""


class Outlet:
    """See the module's text."""

    def __init__(self, wire: Wire, topology: Topology, office: Office, server: Server) -> None:
        self.wire = wire
        self.declarer = Declarer(wire, topology)
        self._office = office
        self._server = server
        self._channel: Channel | None = None
        self._tag = 0
        self._pending: dict[int, int] = {}
        """Places in the batch of what has no answer yet, by number of the message."""
        self._answers: list[Exception | None] = []
        self.confirmed = 0
        """Messages of the last batch that the server took."""

    def publish(self, batch: Sequence[Outgoing], until: float) -> list[Exception | None]:
        """Publish; None for what the server took, and the error of what it did not.

        Raises `Down` where the connection broke: what has no answer then is in doubt.
        """
        self._answers = [None] * len(batch)
        self.confirmed = 0
        self._send(batch, range(len(batch)), until)
        lost = [place for place, answer in enumerate(self._answers) if isinstance(answer, _Lost)]
        for place in lost:
            # The queue was deleted behind our back: make it again, once.
            for name in self._office.queues_of(batch[place]):
                self.declarer.forget(name)
            self._answers[place] = None
        if lost:
            self._send(batch, lost, until)
        while again := self._too_early(batch, until):
            time.sleep(_PAUSE)
            for place in again:
                self._answers[place] = None
            self._send(batch, again, until)
        return [self._unroutable(batch[place], answer) for place, answer in enumerate(self._answers)]

    def _too_early(self, batch: Sequence[Outgoing], until: float) -> list[int]:
        """Places of what queues refused that may be in the making still."""
        return [
            place
            for place, answer in enumerate(self._answers)
            if isinstance(answer, _NotTaken)
            and time.monotonic() + _PAUSE < until
            and any(map(self.declarer.may_be_in_the_making, self._office.queues_of(batch[place])))
        ]

    def _send(self, batch: Sequence[Outgoing], places: Iterable[int], until: float) -> None:
        size = 0
        for place in places:
            out = batch[place]
            try:
                self._office.prepare(out, self.declarer, until)
                channel = self._ready(batch, until)
                channel.send_content(
                    m.publish(out.exchange, out.key, mandatory=out.mandatory), out.properties, out.body
                )
            except Refused as exc:
                self._answers[place] = self._server.broker_error(exc, f"publish to queue {out.queue!r}")
                continue
            except (EncodeError, PublishError) as exc:
                self._answers[place] = exc
                continue
            self._tag += 1
            self._pending[self._tag] = place
            size += len(out.body) + len(out.properties)
            if size > _WINDOW:
                self._await(batch, until)
                size = 0
        self._await(batch, until)

    def _ready(self, batch: Sequence[Outgoing], until: float) -> Channel:
        channel = self._channel
        if channel is not None and channel.closed is not None and self._pending:
            self._refused(batch, channel.closed)
        if channel is None or channel.closed is not None:
            channel = self.wire.channel(until)
            channel.call(m.confirm_select(), until)
            channel.on_confirm = self._confirmed
            self._channel, self._tag = channel, 0
            self._pending.clear()
        return channel

    def _await(self, batch: Sequence[Outgoing], until: float) -> None:
        channel = self._channel
        if channel is None:
            return
        done = self.wire.pump(lambda: not self._pending or channel.closed is not None, until)
        for returned in channel.returned:
            self._returned(batch, returned)
        channel.returned.clear()
        if channel.closed is not None:
            self._refused(batch, channel.closed)
        elif not done:
            blocked = f": it takes no messages now, for {self.wire.blocked}" if self.wire.blocked else ""
            raise Down(f"the server did not confirm in time{blocked}")

    def _confirmed(self, tag: int, multiple: bool, taken: bool) -> None:
        tags = [each for each in self._pending if each <= tag] if multiple else [tag]
        for each in tags:
            place = self._pending.pop(each, None)
            if place is not None and not taken:
                self._answers[place] = _NotTaken(
                    "the server refused the message: its queue is full or failed"
                )
            elif place is not None:
                self.confirmed += 1

    def _returned(self, batch: Sequence[Outgoing], returned: Returned) -> None:
        """The server names what it returns by its contents alone."""
        for place, out in enumerate(batch):
            here = (out.exchange, out.key, out.body) == (returned.exchange, returned.key, returned.body)
            if here and self._answers[place] is None:
                self._answers[place] = _Lost(returned.text)
                return

    def _refused(self, batch: Sequence[Outgoing], refusal: Refused) -> None:
        """The server closed the channel for one of these; which one it was, it does not say."""
        pending, self._pending = sorted(self._pending.values()), {}
        if refusal.code == _NOT_FOUND:
            # An exchange was deleted behind our back; the next message finds it made again, where it was made here.
            self.declarer.forget_all()
        if len(pending) == 1:
            (place,) = pending
            self._answers[place] = PublishError(
                f"queue {batch[place].queue!r} did not get a message: {self._server.reason(refusal)}"
            )
            return
        for place in pending:
            error = BrokerUnavailable(
                f"a message of the same batch was refused ({self._server.reason(refusal)}), so this one is in doubt",
                url=self._server.shown,
            )
            error.in_doubt = True
            self._answers[place] = error

    def _unroutable(self, out: Outgoing, answer: Exception | None) -> Exception | None:
        if not isinstance(answer, _Lost):
            return answer
        where = (
            f"exchange {out.exchange!r} with routing key {out.key!r}"
            if out.exchange
            else f"queue {out.queue!r}"
        )
        return NobodyTook(
            f"no queue took the message for {where} on {self._server.shown}: {answer}; bind a queue to it"
        )


class NobodyTook(PublishError):
    """No queue is bound where the message went."""


class _NotTaken(PublishError):
    """The server took no responsibility for it."""


class _Lost(Exception):
    """A message came back."""
