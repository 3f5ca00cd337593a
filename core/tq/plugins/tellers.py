"""Observers put together: functions with the keyword arguments of a hook, None where nobody listens."""

from __future__ import annotations

from collections.abc import Callable

Teller = Callable[..., None] | None


def both(first: Teller, second: Teller) -> Teller:
    """One observer that tells two."""
    if first is None or second is None:
        return first or second

    def tell(**arguments: object) -> None:
        first(**arguments)
        second(**arguments)

    return tell


def before(first: Callable[[], None], then: Teller) -> Callable[..., None]:
    """An observer that does something first, and tells another one then."""

    def tell(**arguments: object) -> None:
        first()
        if then is not None:
            then(**arguments)

    return tell
