"""What `broker_transport_options`, `result_backend_transport_options` and the URL's query may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url, query_of

SEPARATOR = "\x06\x16"
"""Between a queue's name and a priority. Source: kombu 5.7, `kombu.transport.redis.PrefixMixin`."""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of broker and backend, under the names that Celery and redis-py use. Times are seconds."""

    socket_timeout: float = 5.0
    """How long to wait for the answer to a command that does not block."""
    socket_connect_timeout: float = 4.0
    socket_keepalive: bool = True
    max_connections: int | None = None
    """At most so many pooled connections at once, not counting those of consumers; None: no limit."""
    client_name: str | None = None
    global_keyprefix: str = ""
    db: int | None = None
    virtual_host: int | None = None
    """The same as `db`, for `redis+socket://`."""
    master_name: str | None = None
    """Which master the sentinels are asked for; required with `sentinel://`."""
    sentinel_kwargs: dict[str, Any] = {}
    """Arguments of the connections to the sentinels themselves, such as `password`."""
    ssl_cert_reqs: str = "required"
    ssl_ca_certs: str | None = None
    ssl_ca_path: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = None
    ssl_check_hostname: bool = True


class BrokerOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the broker."""

    celery_workers: bool = False
    """The queues still have Celery workers: write priorities into kombu's lists, and delayed messages straight
    into the queue with their `eta`, as Celery does."""
    sep: str = SEPARATOR
    priority_steps: tuple[int, ...] = (0, 3, 6, 9)


class BackendOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the result backend."""


_EXPLAINED = {
    "visibility_timeout": "tq lends messages to consumers, not for a time: while a worker lives, what it holds "
    "is never handed out again, however long it takes",
    "unacked_key": "tq keeps what is lent under keys of its own",
    "unacked_index_key": "tq keeps what is lent under keys of its own",
    "unacked_mutex_key": "tq keeps what is lent under keys of its own",
    "unacked_mutex_expire": "tq needs no lock to give messages back",
    "unacked_restore_limit": "tq gives messages back when the worker that held them is gone",
    "queue_order_strategy": "tq reads queues in the order in which the worker names them",
    "polling_interval": "tq never polls; a waiting worker is woken by the server",
    "health_check_interval": "tq looks at each connection before it uses it",
    "retry_on_timeout": "tq repeats what cannot be doubled by itself; for the rest see task_publish_retry",
    "fanout_prefix": "the channels of events and remote control are named as Celery names them by default",
    "fanout_patterns": "the channels of events and remote control are named as Celery names them by default",
}


def refuse_explained(url: str, options: Mapping[str, Any]) -> None:
    """Raise `ImproperlyConfigured` for an option of Celery's that has no meaning here, saying why."""
    for name in (*options, *query_of(url)):
        if name in _EXPLAINED:
            raise ImproperlyConfigured(
                f"option {name!r} for {mask_url(url)} has no meaning here, remove it: {_EXPLAINED[name]}"
            )
