"""The threads pool: one engine, and one thread for each body that runs at a time."""

from tq_threads.pool import ThreadsPool

__all__ = ["ThreadsPool"]
