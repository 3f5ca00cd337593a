"""The dead letters of an app: messages that could not be done, and what may become of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tq.contracts.broker import Broker, Cap
from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq.records import DeadLetter, Undecodable
from tq.wire.protocol import identify

PAGE = 10_000
"""Dead letters that are looked at per queue, newest first."""


class DeadTask(msgspec.Struct, frozen=True):
    """One dead letter as people look at it. `died_at` is unix seconds; `task` and `task_id` are empty where
    the message does not say. `attempt` counts the holders that died."""

    id: str
    queue: str
    task: str
    task_id: str
    reason: str
    died_at: float
    attempt: int
    size: int
    letter: DeadLetter


class Filter(msgspec.Struct, frozen=True):
    """Which dead letters are meant; what is left out matches all. `task` is a task's name, `reason` a part of
    the reason, `since` seconds back from now, `ids` dead-letter ids or task ids."""

    task: str | None = None
    reason: str | None = None
    since: float | None = None
    ids: Sequence[str] = ()

    def matches(self, dead: DeadTask, now: float) -> bool:
        """Whether this one is meant."""
        return (
            (self.task is None or dead.task == self.task)
            and (self.reason is None or self.reason.lower() in dead.reason.lower())
            and (self.since is None or now - dead.died_at <= self.since)
            and (not self.ids or dead.id in self.ids or dead.task_id in self.ids)
        )


EVERYTHING = Filter()


class DeadLetters:
    """Looks at and acts on the dead letters of some queues. Raises `ImproperlyConfigured` for a broker that
    keeps none, `BrokerUnavailable` where it cannot be reached."""

    def __init__(self, broker: Broker, queues: Sequence[str]) -> None:
        if Cap.DEAD_LETTERS not in broker.capabilities:
            raise ImproperlyConfigured(f"the broker at {mask_url(broker.url)} keeps no dead letters")
        self._broker = broker
        self._queues = tuple(queues)

    def list(self, chosen: Filter = EVERYTHING, *, limit: int | None = None) -> list[DeadTask]:
        """Those that match, newest first."""
        found = sorted(self._matching(chosen), key=lambda dead: -dead.died_at)
        return found[:limit]

    def requeue(self, chosen: Filter = EVERYTHING) -> int:
        """Put those that match back into their queues, as if nobody had tried them; how many."""
        return self._act(chosen, self._broker.requeue_dead)

    def drop(self, chosen: Filter = EVERYTHING) -> int:
        """Remove those that match for good; how many."""
        return self._act(chosen, self._broker.drop_dead)

    def _act(self, chosen: Filter, act: Any) -> int:
        by_queue: dict[str, list[str]] = {}
        for dead in self._matching(chosen):
            by_queue.setdefault(dead.queue, []).append(dead.id)
        return sum(act(queue, ids) for queue, ids in by_queue.items())

    def _matching(self, chosen: Filter) -> Iterator[DeadTask]:
        now = time.time()
        for queue in self._queues:
            for letter in self._broker.dead_letters(queue, limit=PAGE):
                dead = _described(letter)
                if chosen.matches(dead, now):
                    yield dead


def _described(letter: DeadLetter) -> DeadTask:
    message = letter.message
    if isinstance(message, Undecodable):
        task_id, task, size = None, None, len(message.raw)
    else:
        (task_id, task), size = identify(message), len(message.body)
    return DeadTask(
        letter.id,
        letter.queue,
        task or "",
        task_id or "",
        letter.reason,
        letter.died_at,
        letter.attempt,
        size,
        letter,
    )
