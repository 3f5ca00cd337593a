"""Redis as broker. The layout of keys is in `keys.py`, each atomic move is a script in `lua/`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.subscription import Subscription
from tq.records import (
    Action,
    Channel,
    DeadLetter,
    Delivery,
    Envelope,
    Finding,
    Heartbeat,
    Lock,
    Notice,
    QueueStats,
    Revocation,
)
from tq_redis.ages import END, oldest_age
from tq_redis.announcing import Announcing
from tq_redis.backend import RedisBackend
from tq_redis.checkup import check_up
from tq_redis.consumer import RedisConsumer
from tq_redis.keys import Layout
from tq_redis.letters import DeadLetters
from tq_redis.link import pack
from tq_redis.lives import Lives
from tq_redis.options import BrokerOptions, refuse_explained
from tq_redis.outgoing import LARGEST, Outbox
from tq_redis.publisher import Publisher
from tq_redis.revocations import Revocations
from tq_redis.scripts import AGES, PURGE, UNLOCK
from tq_redis.server import Server
from tq_redis.settling import Document


class RedisBroker(Broker):
    """Messages in Redis 6.2 or newer, in lists that Celery can share."""

    api_version = 1
    capabilities = (
        Cap.DELAY
        | Cap.ORDER
        | Cap.PRIORITY
        | Cap.LEASE
        | Cap.ATTEMPTS
        | Cap.ATOMIC_PUBLISH
        | Cap.DEAD_LETTERS
        | Cap.STATS
        | Cap.PURGE
        | Cap.UNIQUE
        | Cap.LOCKS
        | Cap.REVOKE
        | Cap.BROADCAST
        | Cap.DURABLE
        | Cap.SHARED
    )
    max_body = LARGEST
    options_type = BrokerOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        refuse_explained(url, options or {})
        super().__init__(url, options)
        chosen: BrokerOptions = self.options
        if chosen.celery_workers:
            # Celery's workers hold delayed messages themselves and serve priority 0 first.
            lacks = Cap.DELAY | Cap.PRIORITY
            self.capabilities = type(self).capabilities & ~lacks  # type: ignore[misc]
        self._server = Server(url, chosen, for_results=False)
        self._layout = Layout(
            chosen.global_keyprefix, chosen.sep, chosen.priority_steps, chosen.celery_workers
        )
        self._outbox = Outbox(self._layout, chosen.celery_workers)
        self._publisher = Publisher(self._server, self._outbox)
        self._lives = Lives(self._server, self._layout)
        self._letters = DeadLetters(self._server, self._layout)
        self._revocations = Revocations(self._server, self._layout)
        self._announcing = Announcing(self._server, chosen.global_keyprefix, chosen.sep)
        self._backend: RedisBackend | None = None

    def __repr__(self) -> str:
        return f"RedisBroker({self._server.shown!r})"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return self._publisher.publish(batch, time.monotonic() + timeout)

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        self._server.hurry(lease)
        found = self._lives.begin(consumer_id, tuple(dict.fromkeys(queues)), lease)
        return RedisConsumer(
            consumer_id,
            found,
            self._layout,
            self._outbox,
            self._server,
            document=self._document,
            leave=self._lives.leave,
            timeout=min(self.options.socket_timeout, max(lease / 2, 0.5)),
        )

    def close(self) -> None:
        self._server.pool.close()

    def after_fork(self) -> None:
        self._server.pool.after_fork()

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        return [each for name in dict.fromkeys(queues) for each in self._lives.maintain(name, max_attempts)]

    def findings(self) -> Sequence[Finding]:
        return check_up(self._server, "messages")

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        self._server.hurry(lease)
        return self._lives.beat(beats, lease)

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        return self._lives.held(consumer_id, receipts)

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        names = self._lives.queues(consumer_id)
        runs = ",".join(map(str, running))
        return self._lives.end(consumer_id, names, runs, action, reason, max_attempts) if names else ()

    def stats(self, queue: str) -> QueueStats:
        keys, doing = self._layout.queue(queue), f"read the figures of queue {queue!r}"
        consumers, delayed, dead, now, *lengths = self._server.call(
            [
                pack((b"ZRANGE", keys.consumers, 0, -1, b"WITHSCORES")),
                pack((b"ZCARD", keys.delayed)),
                pack((b"HLEN", keys.dead)),
                pack((b"TIME",)),
                *(pack((b"LLEN", key)) for key in keys.lists),
            ],
            doing,
        )
        inflight = [keys.inflight(raw.decode()) for raw in consumers[::2]]
        held = self._server.call([pack((b"HLEN", key)) for key in inflight], doing)
        filled = [key for key, length in zip(keys.lists, lengths, strict=True) if length]
        ends = self._server.run(AGES, filled, [END], doing) if filled else []
        alive = sum(float(deadline) > int(now[0]) * 1000 for deadline in consumers[1::2])
        return QueueStats(
            queue,
            ready=sum(lengths),
            delayed=delayed,
            in_flight=sum(held),
            dead=dead,
            oldest_age=oldest_age(ends, int(now[0]) + int(now[1]) / 1e6),
            consumers=alive,
        )

    def purge(self, queue: str) -> int:
        keys = self._layout.queue(queue)
        return int(self._server.run(PURGE, [keys.delayed, *keys.lists], [], f"purge queue {queue!r}"))

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        return self._letters.newest(queue, limit)

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._letters.take(queue, "requeue", ids)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._letters.take(queue, "drop", ids)

    def unlock(self, queue: str, locks: Sequence[Lock]) -> None:
        keys = self._layout.queue(queue)
        names, owners = [keys.lock(lock.key) for lock in locks], [lock.owner for lock in locks]
        self._server.run(UNLOCK, names, owners, f"unlock tasks of queue {queue!r}")

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        self._revocations.add(batch, expires)

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        return self._revocations.after(after)

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        return self._announcing.announce(batch, time.monotonic() + timeout)

    def is_heard(self, notice: Notice, *, timeout: float) -> bool:
        return self._announcing.is_heard(notice, time.monotonic() + timeout)

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        return self._announcing.subscribe(channel, pattern)

    def joins(self, backend: object) -> bool:
        """True for a `RedisBackend` of the same database; from then on `settle` writes results into it."""
        if not isinstance(backend, RedisBackend) or backend.place != self._server.address:
            return False
        self._backend = backend
        return True

    def _document(self) -> tuple[Document | None, int]:
        backend = self._backend
        return (backend.document, backend.live_ms) if backend else (None, 0)
