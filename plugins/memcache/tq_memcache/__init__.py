"""memcached as result backend of tq."""

from __future__ import annotations

from tq_memcache.backend import MemcacheBackend

__all__ = ["MemcacheBackend"]
