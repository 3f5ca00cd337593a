"""A worker: a pool, the thread that keeps it alive to the broker, and the signals that end it."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from tq.contracts.broker import Cap
from tq.contracts.pool import Pool, PoolCap, StopMode
from tq.records import QueueStats
from tq.worker.collector import patient_collector
from tq.worker.keeper import Keeper
from tq.worker.setup import WorkerSetup

if TYPE_CHECKING:
    from tq.worker.control.mailbox import Mailbox
    from tq.worker.health import HealthServer
    from tq.worker.relay import Relay

logger = logging.getLogger("tq.worker")

Hook = Callable[..., None] | None


class EventSwitch(Protocol):
    """The events of a worker, for those who steer it."""

    @property
    def enabled(self) -> bool:
        """Whether events of tasks are sent."""

    def enable(self) -> bool:
        """Send events of tasks; whether that is new."""

    def disable(self) -> bool:
        """Send them no more; whether that is new."""

    def asked(self, pool: Pool) -> None:
        """Somebody listens: send a worker-heartbeat now."""


class Worker:
    """Runs until stopped. `shutdown_timeout`: seconds that a warm stop may take before it turns cold.

    `hooks(name)` returns the bound caller of a worker hook, or None.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        pool_class: type[Pool],
        *,
        shutdown_timeout: float | None = 60.0,
        hooks: Callable[[str], Hook] = lambda name: None,
        on_tick: Callable[[Pool], None] | None = None,
    ) -> None:
        self._setup = setup
        self.pool = pool_class(setup)
        self._timeout = shutdown_timeout
        self._hooks = hooks
        tick = (lambda: on_tick(self.pool)) if on_tick is not None else None
        self._keeper = Keeper(setup, self.pool, lambda: self._tick(tick))
        self._stop: StopMode | None = None
        self._deadline: float | None = None
        self._pid = os.getpid()
        self.health: HealthServer | None = None
        """Answers probes while the worker runs, where it is set."""
        self.mailbox: Mailbox | None = None
        """Answers remote control while the worker runs, where it is set."""
        self.relays: Sequence[Relay] = ()
        """Hear broadcasts while the worker runs."""
        self.warning: str | None = None
        """What is to be said when it starts."""
        self._is_up = False
        self._stop_said = False
        self.events: EventSwitch | None = None
        """Its events; None where it sends none at all."""

    @property
    def hostname(self) -> str:
        """The worker's name."""
        return self._setup.hostname

    @property
    def concurrency(self) -> int:
        """How many bodies run at once."""
        return self._setup.concurrency

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues it reads."""
        return self._setup.stores.queues

    def running(self) -> int:
        """Bodies that run now."""
        return sum(seat.receipt >= 0 for seat in self.pool.seats())

    def queue_stats(self) -> list[QueueStats]:
        """What lies in its queues; empty where its broker cannot say. Raises `BrokerError`."""
        broker = self._setup.stores.broker
        if Cap.STATS not in broker.capabilities:
            return []
        with self._setup.quiet:
            return [broker.stats(queue) for queue in self.queues]

    def trouble(self) -> str | None:
        """Why it takes no tasks now; None: it does."""
        if self._stop is not None:
            return "the worker is stopping"
        return self._keeper.trouble() if self._is_up else "the worker is starting"

    def stuck(self) -> str | None:
        """Why only a restart helps; None: it works, or will."""
        return self._keeper.stuck()

    def run(self, *, install_signals: bool = True) -> None:
        """Work until `stop`. Signals: TERM, INT and HUP stop warm, a second one cold, QUIT cold at once, USR1
        writes all stacks to stderr. Installing signals needs the main thread."""
        previous = self._install() if install_signals else {}
        self._tell("worker_starting")
        self._keeper.start()
        self._is_up = True
        if self.health is not None:
            self.health.start()
        for relay in self.relays:
            relay.start()
        if self.mailbox is not None:
            # Last: whoever gets an answer may count on all the rest.
            self.mailbox.start()
        self._tell("worker_ready")
        if self.warning is not None:
            logger.warning("%s", self.warning)
        logger.info("%s is ready, reading %s", self.hostname, ", ".join(self.queues))
        try:
            if self._stop is None:
                with patient_collector(self._bodies(), tidies=install_signals):
                    self.pool.run()
        finally:
            if self.mailbox is not None:
                self.mailbox.close()
            self._end_relays()
            self._tell("worker_stopping", mode=self._stop or StopMode.WARM)
            # Heartbeats end last: until here the pool may have held deliveries.
            self._keeper.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._tell("worker_stopped")
            logger.info("%s has stopped", self.hostname)
            if self.health is not None:
                self.health.close()

    def stop(self, mode: StopMode = StopMode.WARM) -> None:
        """End; from any thread or signal handler. A stop never becomes softer again."""
        if os.getpid() != self._pid:
            return
        if self._stop is None and mode == StopMode.WARM and self._timeout is not None:
            self._deadline = time.monotonic() + self._timeout
        self._stop = StopMode(max(mode, self._stop or mode))
        self.pool.stop(self._stop)

    def _bodies(self) -> int:
        """How many run at once in one process."""
        return 1 if PoolCap.ISOLATED in self.pool.capabilities else self.concurrency

    def _end_relays(self) -> None:
        for relay in self.relays:
            relay.close()
        for relay in self.relays[:1]:
            relay.remove()  # All of a worker have one queue.

    def _install(self) -> dict[int, Any]:
        previous: dict[int, Any] = {}
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"):
            number = getattr(signal, name, None)
            if number is not None:
                try:
                    previous[number] = signal.signal(number, self._on_signal)
                except ValueError:
                    return previous  # Not the main thread; a patched `threading` may not know.
        if hasattr(signal, "SIGUSR1"):
            faulthandler.register(signal.SIGUSR1, file=sys.__stderr__ or sys.stderr, all_threads=True)
        return previous

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        quit_now = number == getattr(signal, "SIGQUIT", None)
        self.stop(StopMode.COLD if quit_now or self._stop is not None else StopMode.WARM)

    def _tick(self, also: Callable[[], None] | None) -> None:
        # Here and not in `stop`: a signal may come while a log record is written.
        if self._stop is StopMode.WARM and not self._stop_said:
            self._stop_said = True
            logger.info(
                "%s is stopping; tasks that still run: %d; a second signal hands them back at once",
                self.hostname,
                self.running(),
            )
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._deadline = None
            logger.warning("not all tasks ended within %g s; what still runs is handed back", self._timeout)
            self._turn_cold()
        if also is not None:
            also()

    def _turn_cold(self) -> None:
        # Only a handler in the main thread can interrupt a body that runs there.
        if hasattr(signal, "SIGQUIT") and signal.getsignal(signal.SIGQUIT) == self._on_signal:
            os.kill(os.getpid(), signal.SIGQUIT)
        else:
            self.stop(StopMode.COLD)

    def _tell(self, name: str, **more: object) -> None:
        hook = self._hooks(name)
        if hook is not None:
            hook(worker=self, **more)
