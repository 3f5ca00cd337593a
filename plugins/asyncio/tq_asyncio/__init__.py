"""The asyncio pool: coroutines on one event loop, plain bodies in threads."""

from tq_asyncio.pool import AsyncioPool

__all__ = ["AsyncioPool"]
