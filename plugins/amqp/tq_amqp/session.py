"""What a consumer has on one connection: a channel for deliveries, an outlet, and what it holds.

Messages are pulled in batches: a subscription with a prefetch of just the messages that are asked for, which is
ended before the batch is handed out. So nothing is lent to a consumer that is busy with something else. Who comes
back for more within milliseconds may keep the subscription: then the server sends while the last ones are worked on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.records import Delivery
from tq_amqp.outlet import Outlet
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.wire import Wire
from tq_amqp.suspects import Suspects

_MOST = 2**16 - 1


class Held(msgspec.Struct, frozen=True, gc=False):
    """A delivery that was handed out: its number on the channel, how often its queue took it back, and what its
    notes say of it where it is a suspect."""

    delivery: Delivery
    tag: int
    returns: int = 0
    suspect: str = ""


class Session:
    """See the module's text. `bell` is the file descriptor that ends a wait."""

    def __init__(self, wire: Wire, outlet: Outlet, queues: Sequence[str], bell: int, until: float) -> None:
        self.wire = wire
        self.outlet = outlet
        self._queues = queues
        self._bell = bell
        for queue in queues:
            outlet.declarer.queue(queue, until)
        self._channel: Channel = wire.channel(until)
        self._turn = 0
        self.suspects = Suspects(outlet)
        self._later: list[tuple[str, Incoming]] = []
        self.flow = 0
        """How many messages the first queue may lend at a time, as long as that subscription stands; 0: there is none."""
        self._unsettled: dict[int, None] = {}
        """Numbers of all that the server lent here, in order."""

    @property
    def failure(self) -> Exception | None:
        """Why all that was held is lost, where it is."""
        return self.wire.ended or self._channel.closed

    @property
    def ahead(self) -> bool:
        """Whether something was lent that is not handed out, or may be at any time."""
        return bool(self.flow or self._later)

    def look(self) -> None:
        """Read what the server said meanwhile, and keep the heartbeat going."""
        self.wire.peek()
        self.wire.pump(lambda: True, 0.0)

    # -- receiving -----------------------------------------------------------------------------------------

    def strays(self) -> list[tuple[str, Incoming]]:
        """What was put aside, and what came after its subscription had ended."""
        found, self._later = self._later + self._taken(), []
        return found

    def put_aside(self, found: list[tuple[str, Incoming]]) -> None:
        """Keep these for the next time."""
        self._later = found + self._later

    def poll(self, queue: str, limit: int, until: float) -> list[tuple[str, Incoming]]:
        """What waits in one queue."""
        self._subscribe((queue,), limit, until)
        return self._unsubscribe((queue,), until)

    def wait(self, limit: int, until: float, patience: float) -> list[tuple[str, Incoming]]:
        """Wait for messages in any queue until that moment or the bell; `patience` is for the server's answers."""
        channel = self._channel
        self._subscribe(self._queues, limit, patience)
        self.wire.pump(
            lambda: bool(channel.deliveries or channel.cancelled or channel.closed), until, bell=self._bell
        )
        return self._unsubscribe(self._queues, patience)

    def start_flow(self, limit: int, until: float) -> None:
        """Let up to `limit` messages of the first queue come, and always more for those that are settled."""
        self._subscribe(self._queues[:1], limit, until)
        self.flow = limit

    def draw(self, enough: int, until: float) -> int:
        """Let the flow run until so many are there, or the bell rings; they are `strays`. How many there are."""
        channel = self._channel
        missing = enough - len(self._later)
        self.wire.pump(
            lambda: len(channel.deliveries) >= missing or bool(channel.cancelled or channel.closed),
            until,
            bell=self._bell,
        )
        if channel.closed is not None:
            raise channel.closed
        return len(self._later) + len(channel.deliveries)

    def end_flow(self, until: float) -> None:
        """End it; what came of it meanwhile is among the `strays`."""
        if self.flow:
            self.flow = 0
            self._later += self._unsubscribe(self._queues[:1], until)

    def _subscribe(self, queues: Sequence[str], limit: int, until: float) -> None:
        # A quorum queue would take a second subscription of one name for the first, with all that it holds still.
        self._turn += 1
        calls = [m.consume(queue, self._tag(queue)) for queue in queues]
        self._channel.calls([m.qos(min(limit, _MOST)), *calls], until)

    def _unsubscribe(self, queues: Sequence[str], until: float) -> list[tuple[str, Incoming]]:
        gone = self._channel.cancelled
        tags = {queue: self._tag(queue) for queue in queues}
        for queue, tag in tags.items():
            if tag in gone:
                self.outlet.declarer.forget(queue)
                self.outlet.declarer.queue(queue, until)
        calls = [m.cancel(tag) for tag in tags.values() if tag not in gone]
        gone.clear()
        self._channel.calls(calls, until)
        return self._taken()

    def _tag(self, queue: str) -> str:
        return f"{self._queues.index(queue)}.{self._turn}"

    def _taken(self) -> list[tuple[str, Incoming]]:
        deliveries = self._channel.deliveries
        taken: list[tuple[str, Incoming]] = []
        while deliveries:
            incoming = deliveries.popleft()
            self._unsettled[incoming.tag] = None
            taken.append((self._queues[int(incoming.consumer.partition(".")[0])], incoming))
        if len(self._queues) > 1:
            taken.sort(key=lambda item: self._queues.index(item[0]))
        return taken

    # -- settling ------------------------------------------------------------------------------------------

    def acknowledge(self, tags: Sequence[int]) -> None:
        """Remove these for good."""
        chosen = set(tags)
        last = 0
        for tag in self._unsettled:
            if tag not in chosen:
                break
            last = tag
        if last:
            self._channel.send(m.ack(last, multiple=True))
        for tag in sorted(tag for tag in chosen if tag > last):
            self._channel.send(m.ack(tag))
        self._settled(chosen)

    def give_back(self, tags: Sequence[int]) -> None:
        """Put these back where they came from."""
        chosen = set(tags)
        if chosen and chosen.issuperset(self._unsettled):
            self._channel.send(m.nack(max(chosen), multiple=True))
        else:
            for tag in sorted(chosen, reverse=True):
                self._channel.send(m.nack(tag))
        self._settled(chosen)

    def flush(self, until: float) -> None:
        """Make sure that the server got all of that. Raises `Down`."""
        if not self.wire.pump(lambda: True, until):
            raise Down("the server takes nothing any more")

    def _settled(self, tags: set[int]) -> None:
        for tag in tags:
            self._unsettled.pop(tag, None)
