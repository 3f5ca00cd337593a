"""Options of the SQL drivers, the same for broker and backend so that one URL serves both."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Prefix = Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,29}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class SqlOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `broker_transport_options`, `result_backend_transport_options` and the URL's query may say."""

    table_prefix: Prefix = "tq_"
    """What the names of the broker's tables begin with; two prefixes are two brokers in one database."""
    create_tables: bool = True
    """False: the tables must exist, and the user needs no right to create any."""
    synchronous: Literal["off", "normal", "full"] = "normal"
    """SQLite only. `normal` survives the death of any process; `full` survives a loss of power too."""
    connect_timeout: Seconds = 4.0
    """Seconds to wait for a server."""
    socket_timeout: Seconds = 10.0
    """Seconds after which a server that does not answer a statement counts as gone; SQLite: seconds to wait
    for the lock of other writers."""
    pool_size: Annotated[int, msgspec.Meta(ge=1)] = 4
    """Connections that stay open between calls; consumers have one more each."""
    transaction_pooling: bool = False
    """PostgreSQL only, for PgBouncer with `pool_mode = transaction`: uses nothing that belongs to a session."""
    fetch_bytes: Annotated[int, msgspec.Meta(ge=1)] = 262144
    """A consumer fetches no further message once it has this many bytes."""
