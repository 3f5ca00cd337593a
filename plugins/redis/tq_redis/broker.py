"""Redis as broker. The layout of keys is in `keys.py`, each atomic move is a script in `lua/`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tq.contracts.broker import Broker, Cap, Consumer
from tq.errors import BrokerError, BrokerUnavailable
from tq.records import Action, DeadLetter, Delivery, Envelope, Heartbeat, QueueStats
from tq.wire.envelope import unpack
from tq_redis import faults
from tq_redis.address import mask, read_address
from tq_redis.backend import RedisBackend
from tq_redis.connect import Connector
from tq_redis.consumer import RedisConsumer, read_element
from tq_redis.keys import Layout
from tq_redis.link import Down, Refused, pack
from tq_redis.options import BrokerOptions, refuse_explained
from tq_redis.outgoing import LARGEST, Outbox
from tq_redis.pool import Pool
from tq_redis.publisher import Publisher
from tq_redis.scripts import HEARTBEAT, PROMOTE, PURGE, REAP, REGISTER, REVIVE
from tq_redis.settling import Document

_QUEUES = 256
"""Most queues of one consumer: a receipt has eight bits for them."""
_SLICE = 256
_REAPED = 16
"""Most consumers that one call of `maintain` ends in one queue."""


class RedisBroker(Broker):
    """Messages in Redis 6.2 or newer, in lists that Celery can share."""

    capabilities = (
        Cap.DELAY
        | Cap.PRIORITY
        | Cap.LEASE
        | Cap.ATTEMPTS
        | Cap.ATOMIC_PUBLISH
        | Cap.DEAD_LETTERS
        | Cap.STATS
        | Cap.PURGE
        | Cap.UNIQUE
        | Cap.DURABLE
        | Cap.SHARED
    )
    max_body = LARGEST
    options_type = BrokerOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        refuse_explained(url, options or {})
        super().__init__(url, options)
        self.options: BrokerOptions
        chosen = self.options
        if chosen.celery_workers:
            # Celery's workers hold delayed messages themselves and serve priority 0 first.
            lacks = Cap.DELAY | Cap.PRIORITY
            self.capabilities = type(self).capabilities & ~lacks  # type: ignore[misc]
        self.address = read_address(url, chosen)
        self._shown = mask(url)
        self._connector = Connector(self.address, chosen)
        self._pool = Pool(self._connector, chosen.max_connections)
        self._layout = Layout(
            chosen.global_keyprefix, chosen.sep, chosen.priority_steps, chosen.celery_workers
        )
        self._outbox = Outbox(self._layout, chosen.celery_workers)
        self._publisher = Publisher(self._pool, self._outbox, self._fail)
        self._backend: RedisBackend | None = None
        self._reads: dict[str, tuple[str, ...]] = {}
        """Queues of consumers that beat or were made here."""

    def __repr__(self) -> str:
        return f"RedisBroker({self._shown!r})"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return self._publisher.publish(batch, time.monotonic() + timeout)

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        names = tuple(dict.fromkeys(queues))
        if not 0 < len(names) <= _QUEUES:
            raise BrokerError(
                f"a consumer reads 1 to {_QUEUES} queues, not {len(names)}; use several consumers",
                url=self._shown,
            )
        found = [self._layout.queue(name) for name in names]
        keys = [self._layout.state(consumer_id), *(each.consumers for each in found)]
        args = [consumer_id, _ms(lease), json.dumps(names)]
        if not self._run(REGISTER, keys, args, f"register consumer {consumer_id}"):
            raise BrokerError(f"consumer id {consumer_id!r} was used before; take a new one", url=self._shown)
        self._reads[consumer_id] = names
        return RedisConsumer(
            consumer_id,
            found,
            self._layout,
            self._outbox,
            open_link=self._connector.open,
            fail=self._fail,
            document=self._document,
            hand_back=self._hand_back,
            timeout=min(self.options.socket_timeout, max(lease / 2, 0.5)),
        )

    def close(self) -> None:
        self._pool.close()

    def after_fork(self) -> None:
        self._pool.after_fork()

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        buried: list[Delivery] = []
        for name in dict.fromkeys(queues):
            keys = self._layout.queue(name)
            lost = self._run(
                PROMOTE,
                [keys.delayed, keys.consumers, *keys.lists],
                [keys.wake, _REAPED],
                f"maintain queue {name!r}",
            )
            for raw in lost:
                consumer_id = raw.decode()
                names = self._queues_of(consumer_id) or (name,)
                reason = f"consumer {consumer_id} died while running it, the last of {max_attempts} attempts"
                buried += self._end(
                    consumer_id, names, "*", Action.REQUEUE, reason, max_attempts, guard=names.index(name)
                )
        return buried

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        known = [self._queues_of(beat.consumer_id) for beat in beats]
        requests = []
        for beat, names in zip(beats, known, strict=True):
            keys = [self._layout.state(beat.consumer_id), *(self._layout.queue(n).consumers for n in names)]
            requests.append((keys, [beat.consumer_id, _ms(lease), ",".join(map(str, beat.running))]))
        live = [request for request, names in zip(requests, known, strict=True) if names]
        answers = iter(self._many(live, "send heartbeats"))
        alive = [bool(names) and next(answers) == 1 for names in known]
        for beat, lives in zip(beats, alive, strict=True):
            if not lives:
                self._reads.pop(beat.consumer_id, None)
        return alive

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        names = self._queues_of(consumer_id)
        wanted = [r for r in receipts if r // 32 % _QUEUES < len(names)]
        commands = []
        for receipt in wanted:
            keys = self._layout.queue(names[receipt // 32 % _QUEUES])
            commands.append(pack((b"HGET", keys.inflight(consumer_id), receipt)))
        found = self._call(commands, "look up what a consumer holds")
        return [
            read_element(raw, names[receipt // 32 % _QUEUES], receipt)
            for receipt, raw in zip(wanted, found, strict=True)
            if raw is not None
        ]

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        names = self._queues_of(consumer_id)
        runs = ",".join(map(str, running))
        return self._end(consumer_id, names, runs, action, reason, max_attempts) if names else ()

    def stats(self, queue: str) -> QueueStats:
        keys, doing = self._layout.queue(queue), f"read the figures of queue {queue!r}"
        consumers, delayed, dead, now, *lengths = self._call(
            [
                pack((b"ZRANGE", keys.consumers, 0, -1, b"WITHSCORES")),
                pack((b"ZCARD", keys.delayed)),
                pack((b"HLEN", keys.dead)),
                pack((b"TIME",)),
                *(pack((b"LLEN", key)) for key in keys.lists),
            ],
            doing,
        )
        held = self._call([pack((b"HLEN", keys.inflight(raw.decode()))) for raw in consumers[::2]], doing)
        alive = sum(float(deadline) > int(now[0]) * 1000 for deadline in consumers[1::2])
        return QueueStats(
            queue, ready=sum(lengths), delayed=delayed, in_flight=sum(held), dead=dead, consumers=alive
        )

    def purge(self, queue: str) -> int:
        keys = self._layout.queue(queue)
        return int(self._run(PURGE, [keys.delayed, *keys.lists], [], f"purge queue {queue!r}"))

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        keys, doing = self._layout.queue(queue), f"read the dead letters of queue {queue!r}"
        if limit <= 0:
            return ()
        (ids,) = self._call([pack((b"ZREVRANGE", keys.buried, 0, limit - 1))], doing)
        found = self._call([pack((b"HGET", keys.dead, each)) for each in ids], doing)
        return [_dead(each.decode(), queue, raw) for each, raw in zip(ids, found, strict=True) if raw]

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._revive(queue, "requeue", ids)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._revive(queue, "drop", ids)

    def joins(self, backend: object) -> bool:
        """True for a `RedisBackend` of the same database; from then on `settle` writes results into it."""
        if not isinstance(backend, RedisBackend) or backend.address != self.address:
            return False
        self._backend = backend
        return True

    # -- scripts -------------------------------------------------------------------------------------------

    def _document(self) -> tuple[Document | None, int]:
        backend = self._backend
        return (backend.document, backend.live_ms) if backend else (None, 0)

    def _queues_of(self, consumer_id: str) -> tuple[str, ...]:
        if consumer_id not in self._reads:
            state = self._layout.state(consumer_id)
            (raw,) = self._call([pack((b"HGET", state, b"queues"))], f"look up consumer {consumer_id}")
            if raw is None:
                return ()
            self._reads[consumer_id] = tuple(json.loads(raw))
        return self._reads[consumer_id]

    def _end(
        self,
        consumer_id: str,
        names: Sequence[str],
        running: str,
        action: Action,
        reason: str,
        most: int,
        guard: int = -1,
    ) -> list[Delivery]:
        """End a consumer's life, slice by slice; returns what went to the dead letters."""
        found = [self._layout.queue(name) for name in names]
        keys = [self._layout.state(consumer_id)]
        for each in found:
            keys += [each.consumers, each.inflight(consumer_id), each.dead, each.buried, *each.lists]
        head = [consumer_id, len(found), guard, action.value, reason.encode("utf-8", "replace")[:2048]]
        args = [*head, most, running, _SLICE, *(each.wake for each in found)]
        buried: list[Delivery] = []
        done = 0
        while not done:
            done, *dead = self._run(REAP, keys, args, f"take back what consumer {consumer_id} held")
            for receipt, raw in zip(dead[::2], dead[1::2], strict=True):
                buried.append(read_element(raw, names[receipt // 32 % _QUEUES], receipt))
        self._reads.pop(consumer_id, None)
        return buried

    def _hand_back(self, consumer_id: str) -> None:
        try:
            self.release(consumer_id)
        except BrokerError:
            # The lease gives it back later.
            self._reads.pop(consumer_id, None)

    def _revive(self, queue: str, how: str, ids: Sequence[str]) -> int:
        keys = self._layout.queue(queue)
        doing, count = f"{how} dead letters of queue {queue!r}", 0
        for at in range(0, len(ids), _SLICE):
            args = [keys.wake, how, *ids[at : at + _SLICE]]
            count += int(self._run(REVIVE, [keys.dead, keys.buried, *keys.lists], args, doing))
        return count

    # -- calls and errors ----------------------------------------------------------------------------------

    def _until(self) -> float:
        return time.monotonic() + self.options.socket_timeout

    def _run(self, script: Any, keys: list[str], args: list[Any], doing: str) -> Any:
        """Run a script that may run twice without harm."""
        try:
            return self._pool.run(script, keys, args, self._until(), again=True)
        except (Down, Refused) as exc:
            self._raise(exc, doing)

    def _many(self, requests: list[tuple[list[str], list[Any]]], doing: str) -> list[Any]:
        """Heartbeats, in one round trip."""
        replies = self._call([HEARTBEAT.command(*r) for r in requests], doing, script=True)
        return [
            self._run(HEARTBEAT, *request, doing) if HEARTBEAT.unknown(reply) else reply
            for request, reply in zip(requests, replies, strict=True)
        ]

    def _call(self, commands: list[bytes], doing: str, *, script: bool = False) -> list[Any]:
        """Commands that may run twice without harm."""
        if not commands:
            return []
        try:
            replies = self._pool.call(b"".join(commands), len(commands), self._until(), again=True)
            for reply in replies:
                if isinstance(reply, Refused) and not (script and HEARTBEAT.unknown(reply)):
                    raise reply
        except (Down, Refused) as exc:
            self._raise(exc, doing)
        return replies

    def _raise(self, error: Exception, doing: str) -> NoReturn:
        raise self._fail(error, doing) from error

    def _fail(self, error: Exception, doing: str) -> Exception:
        """The error to raise for a lost connection or an error reply."""
        if isinstance(error, Down):
            return BrokerUnavailable(faults.down(error, self._shown, doing), url=self._shown)
        if not isinstance(error, Refused):
            return error
        sentence, temporary = faults.refused(error, self._shown, doing)
        kind = BrokerUnavailable if temporary else BrokerError
        return kind(sentence, url=self._shown)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _dead(dead_id: str, queue: str, record: bytes) -> DeadLetter:
    head, _, rest = record.partition(b"\n")
    _, attempt, died_ms, length = (int(part) for part in head.split())
    reason, raw = rest[:length].decode("utf-8", "replace"), rest[length:]
    return DeadLetter(dead_id, queue, reason, died_ms / 1000, unpack(raw), attempt)
