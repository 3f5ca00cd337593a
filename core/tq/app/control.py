"""`app.control`: remote control of workers, with Celery's names and forms.

Source: Celery 5.7, `celery.app.control`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tq.app.inspect import Inspect
from tq.client.mailbox import Outgoing, call, cast
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured
from tq.wire.pidbox import Control as Request
from tq.wire.pidbox import check_destination

if TYPE_CHECKING:
    from tq.app.app import TQ

Callback = Callable[[dict[str, Any]], object]
Told = list[dict[str, Any]] | None
"""What a command returns: with `reply=True` one `{node: reply}` for each worker that answered in time."""


class Control:
    """Commands to all workers, or to those in `destination`. Every command takes `destination` (node names), `reply`,
    `timeout` (seconds to wait for replies), `limit` (replies to wait for), `callback` (called with each), `pattern` and
    `matcher` ("glob" or "pcre", of node names)."""

    def __init__(self, app: TQ) -> None:
        self.app = app

    def broadcast(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: Sequence[str] | None = None,
        connection: object = None,
        reply: bool = False,
        timeout: float = 1.0,
        limit: int | None = None,
        callback: Callback | None = None,
        channel: object = None,
        pattern: str | None = None,
        matcher: str | None = None,
        **more: Any,
    ) -> Told:
        """Send a command. `more` are further arguments of the command; `connection` and `channel` mean nothing.

        With `reply` it waits for `timeout` seconds, or for `limit` replies (by default one from each of `destination`).
        Raises `ImproperlyConfigured` where the broker cannot broadcast, and `BrokerError`.
        """
        self.require()
        nodes = check_destination(destination)
        request = Request(
            command, {**(arguments or {}), **more}, destination=nodes, pattern=pattern, matcher=matcher
        )
        outgoing = Outgoing(self.app.broker, self.app.clock, self.app.conf.broker_publish_timeout)
        if not reply:
            cast(outgoing, request)
            return None
        return call(outgoing, request, timeout, limit or (len(nodes) if nodes else None), callback)

    def require(self) -> None:
        """Raise `ImproperlyConfigured` where the broker cannot broadcast."""
        if Cap.BROADCAST not in self.app.broker.capabilities:
            raise ImproperlyConfigured(
                f"{type(self.app.broker).__name__} cannot broadcast, so there is no remote control; docs/plugins/README.md "
                "says which brokers can"
            )

    @cached_property
    def inspect(self) -> Callable[..., Inspect]:
        """`inspect(destination=, timeout=, ...)` asks workers what they do."""

        def inspect(
            destination: Sequence[str] | str | None = None,
            timeout: float = 1.0,
            callback: Callback | None = None,
            connection: object = None,
            app: object = None,
            limit: int | None = None,
            pattern: str | None = None,
            matcher: str | None = None,
        ) -> Inspect:
            nodes = [destination] if isinstance(destination, str) else destination
            return Inspect(self.broadcast, nodes, timeout, callback, limit, pattern, matcher)

        return inspect

    # -- tasks ---------------------------------------------------------------------------------------------

    def revoke(
        self,
        task_id: str | Sequence[str],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: str = "SIGTERM",
        **how: Any,
    ) -> Told:
        """Have workers not run these tasks; with `terminate`, end them where they run.

        Where the broker keeps revocations it is told at once, for workers to come as well.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        if Cap.REVOKE in self.app.broker.capabilities:
            self.app.revoke(ids, terminate=terminate, signal=signal)
            if Cap.BROADCAST not in self.app.broker.capabilities and not how.get("reply"):
                return None
        arguments = {"task_id": ids, "terminate": terminate, "signal": signal}
        return self.broadcast("revoke", arguments, destination, **how)

    def terminate(
        self,
        task_id: str | Sequence[str],
        destination: Sequence[str] | None = None,
        signal: str = "SIGTERM",
        **how: Any,
    ) -> Told:
        """Revoke, and end what runs."""
        return self.revoke(task_id, destination, terminate=True, signal=signal, **how)

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        destination: Sequence[str] | None = None,
        terminate: bool = False,
        signal: str = "SIGTERM",
        **how: Any,
    ) -> Told:
        """The same for all tasks with one of these stamps."""
        arguments = {"headers": dict(headers), "terminate": terminate, "signal": signal}
        return self.broadcast("revoke_by_stamped_headers", arguments, destination, **how)

    def rate_limit(
        self,
        task_name: str,
        rate_limit: str | float | None,
        destination: Sequence[str] | None = None,
        **how: Any,
    ) -> Told:
        """Change a task's rate limit, in the workers that run."""
        arguments = {"task_name": task_name, "rate_limit": rate_limit}
        return self.broadcast("rate_limit", arguments, destination, **how)

    def time_limit(
        self,
        task_name: str,
        soft: float | None = None,
        hard: float | None = None,
        destination: Sequence[str] | None = None,
        **how: Any,
    ) -> Told:
        """Change a task's time limits (seconds), in the workers that run."""
        arguments = {"task_name": task_name, "hard": hard, "soft": soft}
        return self.broadcast("time_limit", arguments, destination, **how)

    # -- workers -------------------------------------------------------------------------------------------

    def ping(
        self, destination: Sequence[str] | None = None, timeout: float = 1.0, **how: Any
    ) -> list[dict[str, Any]]:
        """`[{node: {"ok": "pong"}}, ...]` of the workers that answer within `timeout` seconds."""
        return self.broadcast("ping", {}, destination, reply=True, timeout=timeout, **how) or []

    def add_consumer(
        self,
        queue: str,
        exchange: str | None = None,
        exchange_type: str = "direct",
        routing_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        destination: Sequence[str] | None = None,
        **how: Any,
    ) -> Told:
        """Have workers read a queue as well."""
        arguments = {
            "queue": queue,
            "exchange": exchange,
            "exchange_type": exchange_type,
            "routing_key": routing_key,
            **(options or {}),
        }
        return self.broadcast("add_consumer", arguments, destination, **how)

    def cancel_consumer(self, queue: str, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers read a queue no more."""
        return self.broadcast("cancel_consumer", {"queue": queue}, destination, **how)

    def enable_events(self, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers send the events of tasks."""
        return self.broadcast("enable_events", {}, destination, **how)

    def disable_events(self, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers send them no more."""
        return self.broadcast("disable_events", {}, destination, **how)

    def heartbeat(self, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers send a heartbeat event now."""
        return self.broadcast("heartbeat", {}, destination, **how)

    def pool_grow(self, n: int = 1, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers run more tasks at once."""
        return self.broadcast("pool_grow", {"n": n}, destination, **how)

    def pool_shrink(self, n: int = 1, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers run fewer tasks at once."""
        return self.broadcast("pool_shrink", {"n": n}, destination, **how)

    def pool_restart(
        self,
        modules: Sequence[str] | None = None,
        reload: bool = False,
        reloader: object = None,
        destination: Sequence[str] | None = None,
        **how: Any,
    ) -> Told:
        """Have workers replace their children, each when what it runs has ended."""
        arguments = {"modules": list(modules) if modules else None, "reload": reload, "reloader": reloader}
        return self.broadcast("pool_restart", arguments, destination, **how)

    def autoscale(self, max: int, min: int, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Change the bounds between which workers scale."""
        return self.broadcast("autoscale", {"max": max, "min": min}, destination, **how)

    def shutdown(self, destination: Sequence[str] | None = None, **how: Any) -> Told:
        """Have workers end, when what they run has ended."""
        return self.broadcast("shutdown", {}, destination, **how)

    # -- messages ------------------------------------------------------------------------------------------

    def purge(self, connection: object = None) -> int:
        """Remove all that waits in this app's queues; how many messages that were. They are gone for good."""
        from tq.app.work import NO_WORKER_OPTIONS, queues_of

        broker = self.app.broker
        if Cap.PURGE not in broker.capabilities:
            raise ImproperlyConfigured(f"{type(broker).__name__} cannot purge queues")
        return sum(broker.purge(queue) for queue in queues_of(self.app, NO_WORKER_OPTIONS))

    discard_all = purge
