"""Run something in a forked child."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest


def in_child(work: Callable[[], object], timeout: float = 60.0) -> int:
    """Run in a forked child; its exit code, negative for a signal. Fails the test after `timeout` seconds."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"a forked child did not end within {timeout} s")
    assert process.exitcode is not None
    return process.exitcode
