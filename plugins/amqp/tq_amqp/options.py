"""Options of the drivers, in `broker_transport_options`, `result_backend_transport_options` or the URL's query."""

from __future__ import annotations

from typing import Literal

import msgspec

_BEATS = 3
"""In a lease. The server misses a line that died after two to three of its heartbeats: so nothing is away for longer
than a lease. Workers speak as often while a body runs; more often would cost living ones their lines."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to connect. Times in seconds."""

    connect_timeout: float = 4.0
    socket_timeout: float = 10.0
    """Wait for an answer; a publish has its own deadline."""
    heartbeat: float | None = None
    """Of consumers, in whole seconds, 0 for none; None, and at least: a third of the worker's lease."""
    login_method: Literal["PLAIN", "EXTERNAL"] = "PLAIN"
    client_name: str | None = None
    """Shown by `rabbitmqctl list_connections`."""
    failover_strategy: Literal["round-robin", "shuffle"] = "round-robin"
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_check_hostname: bool = True
    ssl_cert_reqs: str = "required"


class BrokerOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of the broker."""

    queue_type: Literal["classic", "quorum"] | None = None
    """Of queues that are made here and that `task_queues` says nothing about; None: the server's default."""
    max_priority: int | None = None
    """`x-max-priority` of such queues; with it, the broker keeps priorities."""
    delay_queue_type: Literal["classic", "quorum"] = "quorum"
    """Of the queues in which delayed messages wait, as `broker_native_delayed_delivery_queue_type`."""
    queue_delay_prefix: str = ""
    """Before the names of those queues, as in Celery."""
    dead_suffix: str = ".dead"
    """The dead letters of queue Q lie in Q with this behind it."""
    max_message_size: int = 2**24
    """Bytes; what RabbitMQ 4 takes unless it is told otherwise."""


class BackendOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of the result backend."""

    persistent: bool = False
    """Write results to the server's disk, as `result_persistent` does."""


def heartbeat_of(lease: float, asked: float | None) -> float:
    """Seconds between the heartbeats of a consumer with this lease; `asked` is the option."""
    shortest = float(max(1, round(lease / _BEATS)))
    return shortest if asked is None else asked and max(asked, shortest)
