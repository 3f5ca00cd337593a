"""`GeventPool`: bodies on gevent's greenlets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent  # type: ignore[import-untyped, import-not-found, unused-ignore]
from gevent import monkey  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tq.pools.green import GreenPool

_LAST_WORDS = 1.0
"""Seconds for bodies to end that a cold stop cut short."""


class GeventPool(GreenPool):
    """See `GreenPool`."""

    api_version = 1

    @classmethod
    def prepare(cls) -> None:
        """Patch the standard library; see `Pool.prepare`."""
        monkey.patch_all()

    def start(self, work: Callable[[], None]) -> Any:
        """See `GreenPool.start`."""
        return gevent.spawn(work)

    def arm(self, seconds: float, exc: BaseException) -> Callable[[], None]:
        """See `GreenPool.arm`."""
        disarm: Callable[[], None] = gevent.Timeout.start_new(seconds, exc).close
        return disarm

    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        """See `GreenPool.call_soon`."""
        gevent.get_hub().loop.run_callback(call, *args)

    def throw(self, greenlet: Any, exc: type[BaseException]) -> None:
        """See `GreenPool.throw`."""
        greenlet.throw(exc)

    def kill_all(self, greenlets: Iterable[Any], exc: type[BaseException]) -> None:
        """See `GreenPool.kill_all`."""
        gevent.killall(list(greenlets), exc, timeout=_LAST_WORDS)
