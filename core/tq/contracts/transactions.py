"""The caller's own transaction in a database: what is published inside of it commits and rolls back with it.

A plugin sets `own_transaction` to an object of its own while the caller says so; only a broker whose
`joins_transaction` knows that object may publish meanwhile, and every other one is refused, for its messages would
be out before the transaction is.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

own_transaction: Final[ContextVar[object | None]] = ContextVar("tq_own_transaction", default=None)
"""Of the thread or asyncio task that publishes; None: there is none."""
