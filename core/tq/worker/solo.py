"""The pool without concurrency: bodies run one after the other in the worker's main thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tq.contracts.pool import Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.pools.rounds import Rounds


class SoloPool(Pool):
    """One inline engine. A body that holds the interpreter longer than the lease also stops the heartbeat:
    use prefork for such tasks."""

    api_version: ClassVar[int] = 1
    capabilities: ClassVar[PoolCap] = PoolCap.SOFT_LIMIT

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._seat = setup.local_seat()
        self._engine = Rounds(lambda: setup.inline_engine(self._seat))

    def run(self) -> None:
        """Run the engine until it is stopped."""
        self._engine.run()

    def stop(self, mode: StopMode) -> None:
        """Stop it."""
        self._engine.stop(mode)

    def seats(self) -> Sequence[Seat]:
        """The only one."""
        return (self._seat,)

    def renew(self) -> bool:
        """See `Pool.renew`."""
        self._engine.renew()
        return True
