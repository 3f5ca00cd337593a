"""Waiting for conditions instead of for time, as plugins' tests do."""

from tq.testing.waiting import GENEROUS, NotInTime, eventually

__all__ = ["GENEROUS", "NotInTime", "eventually"]
