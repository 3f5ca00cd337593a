"""The gevent pool: bodies on greenlets, the standard library patched so that what waits lets others run."""

from tq_gevent.pool import GeventPool

__all__ = ["GeventPool"]
