"""`EventletPool`: bodies on eventlet's green threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tq.contracts.pool import PoolSetup
from tq.pools.green import GreenPool

if find_spec("eventlet") is None:
    # It is not imported here, and yet its absence is to be told where any other plugin's library is.
    raise ModuleNotFoundError("No module named 'eventlet'", name="eventlet")


class EventletPool(GreenPool):
    """See `GreenPool`. Eventlet is imported when the pool is used and not before, for it warns of itself, and watches
    forks from then on; `tq plugins` is to do neither."""

    api_version = 1

    @classmethod
    def prepare(cls) -> None:
        """Patch the standard library; see `Pool.prepare`."""
        # Eventlet's os.read and os.write wait even where the descriptor is set not to, and refuse two writers at a
        # time; brokers wake each other with single bytes in such pipes.
        import_module("eventlet").monkey_patch(os=False)

    def __init__(self, setup: PoolSetup) -> None:
        self._eventlet: Any = import_module("eventlet")
        super().__init__(setup)

    def start(self, work: Callable[[], None]) -> Any:
        """See `GreenPool.start`."""
        return self._eventlet.spawn(work)

    def arm(self, seconds: float, exc: BaseException) -> Callable[[], None]:
        """See `GreenPool.arm`."""
        disarm: Callable[[], None] = self._eventlet.Timeout(seconds, exc).cancel
        return disarm

    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        """See `GreenPool.call_soon`."""
        self._eventlet.hubs.get_hub().schedule_call_global(0, call, *args)

    def throw(self, greenlet: Any, exc: type[BaseException]) -> None:
        """See `GreenPool.throw`."""
        greenlet.kill(exc)

    def kill_all(self, greenlets: Iterable[Any], exc: type[BaseException]) -> None:
        """See `GreenPool.kill_all`; switches to each, and comes back when it waits or has ended."""
        for greenlet in greenlets:
            greenlet.kill(exc)
