"""Which queue a call goes to: `task_routes`, then the default queue; what the caller says wins.

Source of the rules: Celery 5.7 user guide, "Routing Tasks".
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tq.errors import ImproperlyConfigured
from tq.wire.topics import matcher

RouteResult = Mapping[str, Any] | str | None
RouteFunction = Callable[..., RouteResult]
OPTIONS = frozenset({"queue", "exchange", "routing_key", "priority", "exchange_type"})


class Route(msgspec.Struct, frozen=True):
    """Where a message goes. `priority` None: nobody asked for one."""

    queue: str
    exchange: str = ""
    routing_key: str = ""
    priority: int | None = None


class QueueInfo(msgspec.Struct, frozen=True):
    """A declared queue. One that is a `broadcast` is also found by its exchange, whatever the routing key."""

    name: str
    exchange: str = ""
    routing_key: str = ""
    broadcast: bool = False
    exchange_type: str = "direct"

    @property
    def through(self) -> str:
        """The exchange of messages for this queue; empty: they may go straight into it."""
        return self.exchange or ("" if self.exchange_type == "direct" else self.name)

    def takes(self, exchange: str, key: str) -> bool:
        """Whether this exchange would lead a message with this routing key here."""
        if exchange != (self.exchange or self.name):
            return False
        bound = self.routing_key or self.name
        return self.exchange_type == "fanout" or (
            matcher(bound)(key) if self.exchange_type == "topic" else bound == key
        )


class Router:
    """Routes calls. `resolve` imports a router that is given by its dotted path."""

    def __init__(
        self,
        routes: Any = None,
        *,
        default_queue: str = "celery",
        default_priority: int | None = None,
        queues: Sequence[QueueInfo] = (),
        create_missing: bool = True,
        resolve: Callable[[str], Any] | None = None,
    ) -> None:
        self._queues = {queue.name: queue for queue in queues}
        self._shared = [queue for queue in queues if not queue.broadcast]
        self._by_key = {queue.routing_key: queue for queue in self._shared if queue.routing_key}
        self._loud = {queue.exchange: queue for queue in queues if queue.broadcast}
        self._create_missing = create_missing
        self._default = default_queue
        self._default_priority = default_priority
        self._steps = [_step(item, resolve) for item in _items(routes)]
        self._plain = self._route("", {})
        self.by_name = all(isinstance(step, _Table) for step in self._steps)
        """Whether a route depends on the task's name and the options alone, never on the arguments."""

    def route(
        self,
        name: str,
        args: Any,
        kwargs: Any,
        options: Mapping[str, Any],
        task: Any = None,
    ) -> Route:
        """Decide; `options` are what the caller and the task say. Raises `ImproperlyConfigured` for a queue
        that is not declared where `task_create_missing_queues` is off."""
        if not self._steps and not options:
            return self._plain
        chosen: dict[str, Any] = {}
        for step in self._steps:
            found = step(name, args, kwargs, options, task)
            if found:
                chosen = {"queue": found} if isinstance(found, str) else dict(found)
                break
        chosen.update({key: value for key, value in options.items() if value is not None})
        return self._route(name, chosen)

    def _route(self, name: str, chosen: Mapping[str, Any]) -> Route:
        queue, key = chosen.get("queue"), chosen.get("routing_key") or ""
        exchange = chosen.get("exchange") or ""
        exchange = exchange if isinstance(exchange, str) else exchange.name
        if queue is None:
            queue = self._bound(exchange, key)
        queue = queue if isinstance(queue, str) else queue.name
        declared = self._queues.get(queue)
        if declared is None and self._queues and not self._create_missing and queue != self._default:
            raise ImproperlyConfigured(
                f"task {name!r} is routed to queue {queue!r}, which task_queues does not declare; "
                f"declared: {', '.join(sorted(self._queues))}"
            )
        priority = chosen.get("priority", self._default_priority)
        return Route(
            queue,
            exchange or (declared.through if declared else ""),
            key or (declared.routing_key if declared else ""),
            priority,
        )

    def _bound(self, exchange: str, key: str) -> str:
        """The queue of a call that names none: the first that is bound to the exchange, else to that of the default queue,
        as the exchange would choose."""
        default = self._queues.get(self._default)
        declared = self._loud.get(exchange)
        if declared is None and key:
            at = exchange or (default and default.exchange) or self._default
            declared = next((queue for queue in self._shared if queue.takes(at, key)), None)
            declared = declared or self._by_key.get(key)
        if declared is not None:
            return declared.name
        # An exchange that nobody declares leads to the queue of the key's name; without one the key says nothing.
        return key if exchange and key else self._default


def _items(routes: Any) -> Iterable[Any]:
    if routes is None:
        return ()
    if isinstance(routes, (Mapping, str)) or callable(routes) or hasattr(routes, "route_for_task"):
        return (routes,)
    if routes and all(_is_pair(item) for item in routes):
        return (list(routes),)
    return tuple(routes)


def _is_pair(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], (str, re.Pattern))


def _step(item: Any, resolve: Callable[[str], Any] | None) -> RouteFunction:
    if isinstance(item, str):
        if resolve is None:
            raise ImproperlyConfigured(f"task_routes: the router {item!r} cannot be imported here")
        item = resolve(item)
    if isinstance(item, type) and hasattr(item, "route_for_task"):
        item = item()
    if isinstance(item, Mapping):
        return _Table(list(item.items()))
    if isinstance(item, (list, tuple)):
        pairs: list[Any] = [item] if _is_pair(item) else list(item)
        return _Table(pairs)
    if hasattr(item, "route_for_task"):
        return _class_step(item)

    def call(name: str, args: Any, kwargs: Any, options: Mapping[str, Any], task: Any) -> RouteResult:
        return item(name, args, kwargs, options, task=task)  # type: ignore[no-any-return]

    return call


def _class_step(router: Any) -> RouteFunction:
    def call(name: str, args: Any, kwargs: Any, options: Mapping[str, Any], task: Any) -> RouteResult:
        return router.route_for_task(name, args, kwargs)  # type: ignore[no-any-return]

    return call


class _Table:
    """Routes by names and patterns of names; a name itself goes first."""

    def __init__(self, pairs: Sequence[tuple[Any, RouteResult]]) -> None:
        self._exact: dict[str, RouteResult] = {}
        self._patterns: list[tuple[re.Pattern[str], RouteResult]] = []
        for pattern, route in pairs:
            if isinstance(pattern, re.Pattern):
                self._patterns.append((pattern, route))
            elif any(char in pattern for char in "*?["):
                self._patterns.append((re.compile(fnmatch.translate(pattern)), route))
            else:
                self._exact[pattern] = route

    def __call__(
        self, name: str, args: Any, kwargs: Any, options: Mapping[str, Any], task: Any
    ) -> RouteResult:
        if name in self._exact:
            return self._exact[name]
        return next((route for pattern, route in self._patterns if pattern.match(name)), None)
