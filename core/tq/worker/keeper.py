"""The thread that keeps a worker's promises to the broker: heartbeats, maintenance, losses, deadlines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from tq.contracts.broker import Cap
from tq.contracts.pool import Pool
from tq.errors import BackendError, BrokerError
from tq.records import Heartbeat
from tq.worker.setup import WorkerSetup
from tq.worker.sureness import SURE
from tq.worker.terminations import Terminations
from tq.worker.watchdog import Watchdog

logger = logging.getLogger("tq.worker")

TICK = 1.0
SILENT = 15.0
"""Seconds without an answer of the broker, after which a worker does not count as ready."""


class Keeper:
    """Ticks each second, or more often where the lease is short.

    It computes nothing, so that a worker whose bodies are busy for hours stays alive to the broker.
    """

    def __init__(self, setup: WorkerSetup, pool: Pool, on_tick: Callable[[], None] | None = None) -> None:
        self._setup = setup
        self._pool = pool
        self._on_tick = on_tick
        self._ended = False
        self._wake = setup.losses.wake
        self._thread = threading.Thread(target=self._run, name="tq-keeper", daemon=True)
        self._due = 0.0
        self._told: Sequence[Heartbeat] = ()
        self._terminations = Terminations(setup.stores.broker, pool)
        self._watchdog = Watchdog(pool, setup.stores)
        self._every = min(TICK, setup.stores.lease / 6)
        self._trouble: str | None = "the broker was not reached yet"
        self._reached = time.monotonic()

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End; called last, when nothing is held any more."""
        self._ended = True
        self._wake.set()
        self._thread.join(timeout=5)
        # A child may have been lost after the last tick.
        self._guarded(self._setup.losses.settle)

    def trouble(self) -> str | None:
        """Why the worker can take no tasks now: its broker or its results are away. From any thread."""
        silent = time.monotonic() - self._reached
        if self._trouble is None and silent > max(SILENT, self._setup.stores.lease):
            return f"the broker has not answered for {silent:.0f} s"
        return self._trouble

    def stuck(self) -> str | None:
        """Why the worker will not work again by itself; None: it will. From any thread."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._ended:
            return "the heartbeat thread has ended"
        return self._watchdog.stuck()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._every)
            self._wake.clear()
            self._guarded(self._tick)
            if self._on_tick is not None:
                self._on_tick()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            with self._setup.quiet:
                work()
            self._trouble, self._reached = None, time.monotonic()
        except (BrokerError, BackendError) as exc:
            self._trouble = str(exc)
            self._watchdog.trouble()
            logger.warning("heartbeat: %s", exc)
        except Exception:
            logger.exception("the heartbeat thread goes on after an unexpected error")

    def _tick(self) -> None:
        stores = self._setup.stores
        self._setup.losses.settle()
        if not self._beat():
            return
        dead = stores.broker.maintain(stores.queues, max_attempts=self._setup.losses.max_attempts)
        if dead:
            self._setup.losses.quarantined(dead, "the worker that ran it died")
        self._watchdog.look()
        self._terminations.tick()

    def _beat(self) -> bool:
        """False: it took so long that it has to be repeated before `maintain`, which would take our own consumers for
        dead; so would it after one that failed, which stays due."""
        stores = self._setup.stores
        if Cap.LEASE not in stores.broker.capabilities:
            return True
        beats, began = beats_of(self._pool), time.monotonic()
        # Told early as well: after a crash, only what the last heartbeat named is charged with an attempt.
        if not beats or (beats == self._told and began < self._due):
            return True
        stores.broker.heartbeat(beats, lease=stores.lease)
        self._told, self._due = beats, began + stores.lease / 3
        return time.monotonic() < began + stores.lease * SURE


def beats_of(pool: Pool) -> Sequence[Heartbeat]:
    """One heartbeat per consumer of this pool, with what it runs."""
    running: dict[str, list[int]] = {}
    for seat in pool.seats():
        if seat.consumer_id:
            receipts = running.setdefault(seat.consumer_id, [])
            if seat.receipt >= 0:
                receipts.append(seat.receipt)
    return [Heartbeat(consumer_id, tuple(receipts)) for consumer_id, receipts in running.items()]
