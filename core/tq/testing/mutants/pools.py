"""Pools that are wrong on purpose."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import ClassVar

from tq.contracts.pool import PoolCap, Seat, StopMode
from tq.worker.solo import SoloPool


class PoolMutant(SoloPool):
    """A solo pool with a flaw."""

    caught_by: ClassVar[str]
    """The test of `PoolConformance` that must fail."""


class ForgetsAnEarlyStop(PoolMutant):
    """Hears no stop before it runs."""

    caught_by = "test_a_stop_before_run_is_not_forgotten"
    _runs = False

    def run(self) -> None:
        self._runs = True
        super().run()

    def stop(self, mode: StopMode) -> None:
        if self._runs:
            super().stop(mode)


class IsAlwaysWarm(PoolMutant):
    """Waits for bodies at a cold stop."""

    caught_by = "test_a_cold_stop_does_not_wait_for_what_runs"

    def stop(self, mode: StopMode) -> None:
        super().stop(StopMode.WARM)


class IsAlwaysCold(PoolMutant):
    """Cuts short what runs at a warm stop."""

    caught_by = "test_a_warm_stop_waits_for_what_runs_and_starts_nothing_new"

    def stop(self, mode: StopMode) -> None:
        super().stop(StopMode.COLD)


class IsRenewedForGood(PoolMutant):
    """Takes a renewal for a stop."""

    caught_by = "test_a_renewal_lets_what_runs_finish_and_goes_on"

    def renew(self) -> bool:
        self.stop(StopMode.WARM)
        return True


class LeavesAThread(PoolMutant):
    """Returns while a thread of its own goes on."""

    caught_by = "test_nothing_is_left_behind"

    def run(self) -> None:
        threading.Thread(target=threading.Event().wait, args=(10.0,), daemon=True).start()
        super().run()


class HidesItsSeats(PoolMutant):
    """Tells nobody what runs."""

    caught_by = "test_seats_show_what_runs_and_who_holds_it"

    def seats(self) -> Sequence[Seat]:
        return ()


class RunsBesideTheMainThread(PoolMutant):
    """Declares soft limits, and runs the engine where its alarm cannot ring."""

    caught_by = "test_a_soft_limit_is_raised_inside_the_body"

    def run(self) -> None:
        thread = threading.Thread(target=super().run, daemon=True)
        thread.start()
        thread.join()


class CannotResize(PoolMutant):
    """Declares `PoolCap.RESIZE` and has no `resize`."""

    caught_by = "test_what_is_declared_has_its_method"
    capabilities = SoloPool.capabilities | PoolCap.RESIZE


class ForksNothing(PoolMutant):
    """Declares `PoolCap.RECYCLE` and runs all in one process."""

    caught_by = "test_a_child_is_replaced_after_its_number_of_tasks"
    capabilities = SoloPool.capabilities | PoolCap.RECYCLE


POOLS: tuple[type[PoolMutant], ...] = tuple(PoolMutant.__subclasses__())
"""All of them."""
