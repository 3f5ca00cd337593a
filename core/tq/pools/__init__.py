"""What pools with slots share: a seat on a thread, and who raises soft time limits there."""

from __future__ import annotations

from tq.pools.thread_seat import ThreadSeat
from tq.pools.watchdog import Watchdog

__all__ = ["ThreadSeat", "Watchdog"]
