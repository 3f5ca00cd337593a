"""The eventlet pool: bodies on greenlets, the standard library patched so that what waits lets others run."""

from tq_eventlet.pool import EventletPool

__all__ = ["EventletPool"]
