"""The names of all keys, and the codes of the lists of one queue.

kombu's keys are the queue's name itself and `<queue>SEP<step>`. tq's own keys begin `tq:{<queue>}:`; the
braces are a cluster's hash tag, by which they lie where the list `<queue>` lies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

PLAIN = 0
"""Codes 1 to 9: tq's list of that priority."""
BUCKETS = 10
"""Codes 11 to 19: kombu's list of priority code - 10."""
REDO = 20
"""Messages whose holder died while it ran them, each behind a count of attempts."""
CODES = REDO + 1


class QueueKeys:
    """The keys of one queue."""

    __slots__ = ("_own", "_sep", "buried", "consumers", "dead", "delayed", "lists", "name", "plain", "wake")

    def __init__(self, name: str, prefix: str, sep: str) -> None:
        self.name = name
        self.plain = f"{prefix}{name}"
        self._sep = sep
        self._own = f"{prefix}tq:{{{_tag(self.plain)}}}:" + (f"{name}:" if "{" in self.plain else "")
        self.delayed = f"{self._own}delayed"
        self.consumers = f"{self._own}consumers"
        self.dead = f"{self._own}dead"
        self.buried = f"{self._own}dead:index"
        self.wake = f"{self._own}wake"
        """A channel, not a key."""
        self.lists = [self._list(code) for code in range(CODES)]
        """The key of each code."""

    def inflight(self, consumer_id: str) -> str:
        """The hash of what a consumer holds: receipt to element."""
        return f"{self._own}inflight:{consumer_id}"

    def unique(self, task_id: str) -> str:
        """The mark of a message that may be published once."""
        return f"{self._own}unique:{task_id}"

    def lock(self, key: str) -> str:
        """The lock of this key; holds its owner."""
        return f"{self._own}lock:{key}"

    def _list(self, code: int) -> str:
        if code == PLAIN:
            return self.plain
        if code == REDO:
            return f"{self._own}redo"
        return f"{self._own}p{code}" if code < BUCKETS else f"{self.plain}{self._sep}{code - BUCKETS}"


class Layout:
    """Which keys a broker uses, in which order it reads them, and where it puts what."""

    def __init__(self, prefix: str, sep: str, steps: Sequence[int], celery_workers: bool) -> None:
        self._prefix = prefix
        self._sep = sep
        self._steps = tuple(sorted({step for step in steps if 0 < step <= 9}))
        self._celery_workers = celery_workers
        self._known: dict[str, QueueKeys] = {}
        buckets = (BUCKETS + step for step in self._steps)
        self.order = (REDO, *range(9, 0, -1), PLAIN, *buckets)
        """Codes of the lists that are read, first first."""

    def queue(self, name: str) -> QueueKeys:
        """The keys of a queue."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = QueueKeys(name, self._prefix, self._sep)
        return found

    def state(self, consumer_id: str) -> str:
        """The hash that says that a consumer lives, and what it reads."""
        return f"{self._prefix}tq:consumer:{consumer_id}"

    def revocations(self) -> list[str]:
        """Version, revocations by version, and by end of life. The tag keeps them together; no key of a
        queue that has this name is called so."""
        own = f"{self._prefix}tq:{{revoked}}:revocations"
        return [f"{own}:version", own, f"{own}:until"]

    def code(self, priority: int | None) -> int:
        """The list for a new message of this priority."""
        if not priority:
            return PLAIN
        if not self._celery_workers:
            return min(max(priority, PLAIN), 9)
        at = bisect_right(self._steps, priority)
        return BUCKETS + self._steps[at - 1] if at else PLAIN


def _tag(key: str) -> str:
    # The rule of a cluster: what stands between the first "{" and the first "}" after it, if it is anything.
    _, opened, rest = key.partition("{")
    inside, closed, _ = rest.partition("}")
    return inside if opened and closed and inside else key
