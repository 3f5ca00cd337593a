"""Tests of the pools run without the tracer of coverage.

Coverage's tracer takes a lock of its own, in Python, at the start of each function it measures. A soft limit is an
exception that comes at any instruction, so it may come while that lock is held; and a fork may copy the lock while
another thread holds it. Either way the next function of that process waits for ever.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

UNTRACED = ("plugins/asyncio", "plugins/prefork", "plugins/threads", "core/tests/pools", "tests/pools")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Take the tracer away for a test of these folders, and give it back."""
    if not any((item.config.rootpath / folder) in item.path.parents for folder in UNTRACED):
        return (yield)
    traced, threads_traced = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        threading.settrace(threads_traced)
        sys.settrace(traced)
