"""The prefork pool: children that receive for themselves, under a parent that supervises."""

from tq_prefork.pool import PreforkPool

__all__ = ["PreforkPool"]
