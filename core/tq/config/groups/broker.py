"""Settings of the broker."""

from __future__ import annotations

from typing import Any

from tq.config.setting import Setting
from tq.config.tls import read_ssl
from tq.config.types import Lease, Name, PositiveSeconds

GROUP = "Broker"
EMBEDDED_URL = "sqlite:///.tq/tq.db"
"""Broker and result backend of an application that names none."""


def _one_url(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if len(value) == 1:
            return value[0]
        raise ValueError(
            "one URL, not a list for failover; servers that stand in for each other are named in one URL, "
            "in the way that the broker's plugin describes"
        )
    return value


def _with_scheme(url: str) -> str:
    if "://" not in url:
        raise ValueError(f"a URL with a scheme, such as 'redis://localhost:6379/0' or {EMBEDDED_URL!r}")
    return url


SETTINGS = (
    Setting(
        name="broker_url",
        type=Name,
        default=EMBEDDED_URL,
        doc="Where tasks are sent to and received from; the scheme chooses the plugin. The default is a file "
        "in the working directory.",
        group=GROUP,
        prepare=_one_url,
        check=_with_scheme,
    ),
    Setting(
        name="broker_transport_options",
        type=dict[str, Any],
        default={},
        doc="Options of the broker's plugin; the query of `broker_url` wins over them.",
        group=GROUP,
    ),
    Setting(
        name="broker_use_ssl",
        type=dict[str, Any] | None,
        default=None,
        doc="TLS to Redis or RabbitMQ as Celery's settings ask for it: true, or a mapping (`ssl_ca_certs` or `ca_certs`, "
        "`certfile`, `keyfile`, `cert_reqs`); the same as `rediss://` or `amqps://` with options of the plugin. The server "
        "is verified unless `cert_reqs` says otherwise.",
        group=GROUP,
        prepare=read_ssl,
    ),
    Setting(
        name="broker_publish_timeout",
        type=PositiveSeconds,
        default=4.0,
        unit="seconds",
        doc="Longest time that sending a task may take, connecting and retries included; then it raises.",
        group=GROUP,
    ),
    Setting(
        name="broker_lease",
        type=Lease,
        default=30.0,
        unit="seconds",
        doc="How long a silent consumer counts as alive; then what it held goes to others. Tasks may run "
        "longer: the lease belongs to the consumer, whose heartbeats go on meanwhile.",
        group=GROUP,
    ),
    Setting(
        name="broker_connection_retry_on_startup",
        type=bool,
        default=True,
        doc="A worker whose broker is not there at start waits for it; otherwise it ends with an error.",
        group=GROUP,
    ),
)
