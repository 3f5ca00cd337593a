"""Lives of consumers: they begin, beat, and end, and what they held goes back."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from tq.contracts.jumps import Jumps
from tq.errors import BrokerError
from tq.records import Action, Delivery, Heartbeat
from tq_redis.element import delivery_of, queue_number
from tq_redis.keys import Layout, QueueKeys
from tq_redis.link import pack
from tq_redis.scripts import HEARTBEAT, PROMOTE, REAP, REGISTER
from tq_redis.server import Server

MOST_QUEUES = 256
"""Most queues of one consumer: a receipt has eight bits for them."""
REASON = 2048
"""Most bytes kept of the reason of a dead letter."""
_SLICE = 256
_REAPED = 16
"""Most consumers that one call ends in one queue."""
AS_IT_SAID = "*"
"""What runs is what the last heartbeat said, and the first of each batch since then."""


class Lives:
    """All consumers of one broker's database, whoever made them."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server = server
        self._layout = layout
        self._reads: dict[str, tuple[str, ...]] = {}
        """Queues of consumers that beat or were made here."""
        self.jumps = Jumps()

    def begin(self, consumer_id: str, names: Sequence[str], lease: float) -> list[QueueKeys]:
        """Register a consumer. Raises `BrokerError` for an id that was used before."""
        if not 0 < len(names) <= MOST_QUEUES:
            raise BrokerError(
                f"a consumer reads 1 to {MOST_QUEUES} queues, not {len(names)}; use several consumers",
                url=self._server.shown,
            )
        self.jumps.lease = lease
        found = [self._layout.queue(name) for name in names]
        keys = [self._layout.state(consumer_id), *(each.consumers for each in found)]
        args = [consumer_id, milliseconds(lease), json.dumps(names)]
        if not self._server.run(REGISTER, keys, args, f"register consumer {consumer_id}"):
            raise BrokerError(
                f"consumer id {consumer_id!r} was used before; take a new one", url=self._server.shown
            )
        self._reads[consumer_id] = tuple(names)
        return found

    def beat(self, beats: Sequence[Heartbeat], lease: float) -> list[bool]:
        """See `Broker.heartbeat`."""
        self.jumps.lease = lease
        known = [self.queues(beat.consumer_id) for beat in beats]
        requests = []
        for beat, names in zip(beats, known, strict=True):
            if names:
                keys = [
                    self._layout.state(beat.consumer_id),
                    *(self._layout.queue(n).consumers for n in names),
                ]
                args = [beat.consumer_id, milliseconds(lease), ",".join(map(str, beat.running))]
                requests.append((keys, args))
        answers = iter(self._server.run_each(HEARTBEAT, requests, "send heartbeats"))
        alive = [bool(names) and next(answers) == 1 for names in known]
        for beat, lives in zip(beats, alive, strict=True):
            if not lives:
                self._reads.pop(beat.consumer_id, None)
        return alive

    def held(self, consumer_id: str, receipts: Sequence[int]) -> list[Delivery]:
        """See `Broker.held`."""
        names = self.queues(consumer_id)
        wanted = [(names[queue_number(r)], r) for r in receipts if queue_number(r) < len(names)]
        commands = [
            pack((b"HGET", self._layout.queue(name).inflight(consumer_id), receipt))
            for name, receipt in wanted
        ]
        found = self._server.call(commands, "look up what a consumer holds")
        return [
            delivery_of(raw, name, receipt)
            for (name, receipt), raw in zip(wanted, found, strict=True)
            if raw is not None
        ]

    def queues(self, consumer_id: str) -> tuple[str, ...]:
        """What a consumer reads; nothing for one that is unknown or dead."""
        if consumer_id not in self._reads:
            command = pack((b"HGET", self._layout.state(consumer_id), b"queues"))
            (raw,) = self._server.call([command], f"look up consumer {consumer_id}")
            if raw is None:
                return ()
            self._reads[consumer_id] = tuple(json.loads(raw))
        return self._reads[consumer_id]

    def maintain(self, name: str, most: int) -> list[Delivery]:
        """Promote what is due in a queue, and end consumers whose lease is over."""
        keys, buried = self._layout.queue(name), list[Delivery]()
        keys_args = [keys.delayed, keys.consumers, *keys.lists], [keys.wake, _REAPED]
        asked = time.monotonic()
        now, *late = self._server.run(PROMOTE, *keys_args, f"maintain queue {name!r}")
        self.jumps.tell(asked, int(now) / 1000)
        if self.jumps.after_one():
            return []
        for raw in late:
            consumer_id = raw.decode()
            names = self.queues(consumer_id) or (name,)
            reason = f"consumer {consumer_id} died while running it, the last of {most} attempts"
            guard = names.index(name)
            buried += self.end(consumer_id, names, AS_IT_SAID, Action.REQUEUE, reason, most, guard)
        return buried

    def end(
        self,
        consumer_id: str,
        names: Sequence[str],
        running: str,
        action: Action,
        reason: str,
        most: int,
        guard: int = -1,
    ) -> list[Delivery]:
        """End a consumer's life, slice by slice; returns what went to the dead letters.

        With `guard` only if the lease is over in the queue of that number.
        """
        found = [self._layout.queue(name) for name in names]
        keys = [self._layout.state(consumer_id)]
        for each in found:
            keys += [each.consumers, each.inflight(consumer_id), each.dead, each.buried, *each.lists]
        head = [consumer_id, len(found), guard, action.value, reason.encode("utf-8", "replace")[:REASON]]
        args = [*head, most, running, _SLICE, *(each.wake for each in found)]
        buried: list[Delivery] = []
        done = 0
        while not done:
            done, *dead = self._server.run(REAP, keys, args, f"take back what consumer {consumer_id} held")
            for receipt, raw in zip(dead[::2], dead[1::2], strict=True):
                buried.append(delivery_of(raw, names[queue_number(receipt)], receipt))
        self._reads.pop(consumer_id, None)
        return buried

    def leave(self, consumer_id: str) -> None:
        """End the life of a consumer that runs nothing; where the server is gone its lease does that later."""
        try:
            names = self.queues(consumer_id)
            if names:
                self.end(consumer_id, names, "", Action.REQUEUE, "", 1)
        except BrokerError:
            self._reads.pop(consumer_id, None)


def milliseconds(seconds: float) -> int:
    """At least one."""
    return max(1, round(seconds * 1000))
