"""Tests that run only where a plugin declares a capability."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])


def needs(capability: enum.Flag) -> Callable[[F], F]:
    """Mark a test of the suite: skipped, with a reason, unless the plugin declares all of `capability`."""

    def mark(test: F) -> F:
        test.needs = capability  # type: ignore[attr-defined]
        return test

    return mark


def unless(capability: enum.Flag) -> Callable[[F], F]:
    """Mark a test of the suite: skipped, with a reason, where the plugin declares this, which excludes it."""

    def mark(test: F) -> F:
        test.unless = capability  # type: ignore[attr-defined]
        return test

    return mark


def skip_undeclared(test: Callable[..., Any] | None, declared: enum.Flag, plugin: type) -> None:
    """Skip the running test if it needs what `plugin` does not declare."""
    needed: enum.Flag | None = getattr(test, "needs", None)
    if needed is not None and (missing := needed & ~declared):
        pytest.skip(f"not declared by {plugin.__name__}: {type(missing).__name__}.{missing.name}")
    excluded: enum.Flag | None = getattr(test, "unless", None)
    if excluded is not None and excluded & declared:
        pytest.skip(
            f"nothing for {plugin.__name__}, which declares {type(excluded).__name__}.{excluded.name}"
        )
