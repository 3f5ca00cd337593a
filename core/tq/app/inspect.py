"""`app.control.inspect()`: what workers say of themselves, by node name.

Source: Celery 5.7, `celery.app.control.Inspect`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tq.client.mailbox import merged

Found = dict[str, Any] | None
"""The replies by node name; None where nobody answered in time."""


class Inspect:
    """Asks the workers in `destination`, or all, and waits `timeout` seconds for their replies."""

    def __init__(
        self,
        broadcast: Callable[..., list[dict[str, Any]] | None],
        destination: Sequence[str] | None,
        timeout: float,
        callback: Callable[[dict[str, Any]], object] | None,
        limit: int | None,
        pattern: str | None,
        matcher: str | None,
    ) -> None:
        self._broadcast = broadcast
        self.destination = destination
        self.timeout = timeout
        self.callback = callback
        self.limit = limit
        self.pattern = pattern
        self.matcher = matcher

    def ask(self, command: str, **arguments: Any) -> Found:
        """Any command, also one of an app or a plugin."""
        replies = self._broadcast(
            command,
            arguments,
            destination=self.destination,
            reply=True,
            timeout=self.timeout,
            limit=self.limit,
            callback=self.callback,
            pattern=self.pattern,
            matcher=self.matcher,
        )
        return merged(replies) if replies else None

    def ping(self, destination: Sequence[str] | None = None) -> Found:
        """`{"ok": "pong"}`."""
        if destination is not None:
            self.destination = destination
        return self.ask("ping")

    def active(self, safe: bool | None = None) -> Found:
        """What runs now."""
        return self.ask("active", safe=safe)

    def reserved(self, safe: bool | None = None) -> Found:
        """What workers hold and have not begun."""
        return self.ask("reserved")

    def scheduled(self, safe: bool | None = None) -> Found:
        """What waits for its time in a worker; most brokers keep that themselves."""
        return self.ask("scheduled")

    def query_task(self, *ids: str | Sequence[str]) -> Found:
        """`{id: [state, info]}` of those of these tasks that a worker holds."""
        flat = [each for part in ids for each in ([part] if isinstance(part, str) else part)]
        return self.ask("query_task", ids=flat)

    def revoked(self) -> Found:
        """Ids that were revoked."""
        return self.ask("revoked")

    def registered(self, *taskinfoitems: str) -> Found:
        """Tasks, each with those of its attributes that are named, or that limit it."""
        return self.ask("registered", taskinfoitems=list(taskinfoitems))

    registered_tasks = registered

    def stats(self) -> Found:
        """Counts, pool, broker, resources."""
        return self.ask("stats")

    def active_queues(self) -> Found:
        """The queues that are read."""
        return self.ask("active_queues")

    def conf(self, with_defaults: bool = False) -> Found:
        """The settings, without secrets."""
        return self.ask("conf", with_defaults=with_defaults)

    def report(self) -> Found:
        """Versions and settings, as text."""
        return self.ask("report")

    def clock(self) -> Found:
        """The logical clock."""
        return self.ask("clock")

    def memsample(self) -> Found:
        """Take a sample of the memory in use."""
        return self.ask("memsample")

    def memdump(self, samples: int = 10) -> Found:
        """The last samples."""
        return self.ask("memdump", samples=samples)

    def objgraph(self, type: str = "Request", n: int = 200, max_depth: int = 10) -> Found:
        """Draw what refers to objects of a type; `{"filename": path}` on each worker's machine."""
        return self.ask("objgraph", num=n, max_depth=max_depth, type=type)

    def hello(self, from_node: str, revoked: Any = None) -> Found:
        """What a Celery worker asks when it starts."""
        return self.ask("hello", from_node=from_node, revoked=revoked)
