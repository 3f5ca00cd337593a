"""The rules of every pool, and those of greenlets."""

from __future__ import annotations

from pathlib import Path

from tests.pools.patched import run_patched


def test_the_pool_keeps_the_rules() -> None:
    assert " passed" in run_patched("eventlet", Path(__file__).with_name("conformance.py"))
