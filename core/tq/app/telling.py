"""What a worker tells monitors: itself always while it tells at all, its tasks when that is switched on."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from tq._version import __version__
from tq.contracts.broker import Cap
from tq.contracts.pool import Pool, Seat
from tq.errors import BrokerError
from tq.events.switch import Switch
from tq.events.tasks import TaskEvents
from tq.plugins.tellers import before, both
from tq.worker.run import Observer, Observers
from tq.worker.setup import WorkerSetup

if TYPE_CHECKING:
    from tq.app.app import TQ

logger = logging.getLogger("tq.events")

FREQUENCY: Final = 2.0
"""Seconds between two heartbeats, as in Celery."""
LISTENERS: Final = 0.9
"""Seconds between two looks whether anybody listens, at least: each tick of a worker, which is one a second."""


class WorkerEvents:
    """The events of one worker. `tasks`: whether those of tasks are on at first.

    While they are off, or nobody listens, no object is made for a task and nothing is called: the observers of the
    executor are those of the hooks alone. Both switches are in memory that the children share, and each engine looks
    at them once a batch. The broker is asked for listeners at each tick; what a monitor asks of the worker counts at once.
    """

    def __init__(self, app: TQ, setup: WorkerSetup, *, tasks: bool, heartbeats: bool = True) -> None:
        self._app = app
        self._setup = setup
        self._switch = Switch(tasks)
        self._heard = Switch(True)
        self._asks = app.conf.worker_skip_unheard_events
        self._look_due = 0.0
        self._executor = setup.executor
        self._plain = setup.executor.observers
        self._is_on = False
        self._work = _Work()
        self._due = 0.0
        self._is_online = False
        self._beats = heartbeats
        self.dispatcher = app.events.dispatcher(setup.hostname, setup.quiet)
        """That of this process."""
        app.clock.share()
        self._executor.refresh = self.refresh

    # -- the switch ----------------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether events of tasks are sent."""
        return self._switch.is_on

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens to them, as far as is known."""
        return self._heard.is_on

    def enable(self) -> bool:
        """Send the events of tasks; whether that is new. From any process and thread of the worker."""
        self._heard.turn(True)
        return self._switch.turn(True)

    def disable(self) -> bool:
        """Send them no more; whether that is new."""
        return self._switch.turn(False)

    def refresh(self) -> None:
        """Follow the switches; called before each batch."""
        if (self._switch.is_on and self._heard.is_on) is not self._is_on:
            self._is_on = not self._is_on
            self._watch(TaskEvents(self.dispatcher) if self._is_on else None)

    # -- the worker's life ---------------------------------------------------------------------------------

    def online(self) -> None:
        """worker-online."""
        self._look(time.monotonic())
        # Bodies of lost children end on the keeper's thread, also where no batch came yet.
        self.refresh()
        self._is_online = True
        self.dispatcher.send("worker-online", **self._facts(None))

    def tick(self, pool: Pool) -> None:
        """worker-heartbeat, when it is time for one."""
        now = time.monotonic()
        self._look(now)
        self.refresh()
        if self._is_online and self._beats and now >= self._due:
            self._due = now + FREQUENCY
            self.heartbeat(pool)

    def heartbeat(self, pool: Pool | None = None) -> None:
        """worker-heartbeat now."""
        self.dispatcher.send("worker-heartbeat", **self._facts(pool))

    def asked(self, pool: Pool) -> None:
        """A monitor asks for a sign of life, so there is one: a heartbeat now, and the events of tasks."""
        self._heard.turn(True)
        self.heartbeat(pool)

    def offline(self) -> None:
        """worker-offline; then nothing is sent any more."""
        if self._is_online:
            self._is_online = False
            self.dispatcher.send("worker-offline", **self._facts(None))
        self.dispatcher.close()

    def in_child(self) -> None:
        """A child has events of its own, and sends them itself."""
        self.dispatcher = self._app.events.dispatcher(self._setup.hostname)
        if self._is_on:
            self._watch(TaskEvents(self.dispatcher))

    def leave_child(self) -> None:
        """Send what waits in a child that ends."""
        self.dispatcher.close()

    def _watch(self, events: TaskEvents | None) -> None:
        self._executor.observers = _joined(self._plain, events) if events is not None else self._plain
        self._executor.watch = events

    def _look(self, now: float) -> None:
        """Ask the broker whether anybody listens, when it is time to."""
        if not (self._asks and self._switch.is_on and now >= self._look_due):
            return
        self._look_due = now + LISTENERS
        try:
            with self._setup.quiet:
                self._heard.turn(self._app.events.is_heard())
        except BrokerError as exc:
            logger.debug("whether anybody listens to events is not known: %s", exc)

    def _facts(self, pool: Pool | None) -> dict[str, Any]:
        active, processed = self._work.look(pool.seats()) if pool is not None else self._work.seen
        return {
            "freq": FREQUENCY,
            "active": active,
            "processed": processed,
            "loadavg": list(os.getloadavg()) if hasattr(os, "getloadavg") else [0.0, 0.0, 0.0],
            "sw_ident": "tq",
            "sw_ver": __version__,
            "sw_sys": platform.system(),
        }


class _Work:
    """Bodies that run, and that ended since the start; children that are gone count on."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Seat, int]] = {}
        self._gone = 0
        self.seen = (0, 0)

    def look(self, seats: Any) -> tuple[int, int]:
        """Both numbers as they are now."""
        now = {id(seat): (seat, seat.finished) for seat in seats}
        for key, (seat, finished) in self._known.items():
            if key not in now:
                self._gone += max(finished, seat.finished)
        self._known = now
        active = sum(seat.receipt >= 0 for seat, _ in now.values())
        self.seen = (active, self._gone + sum(finished for _, finished in now.values()))
        return self.seen


def _joined(plain: Observers, events: TaskEvents) -> Observers:
    names = [field.name for field in fields(Observers)]
    return Observers(**{name: both(getattr(plain, name), getattr(events, name, None)) for name in names})


def events_of_worker(app: TQ, setup: WorkerSetup, *, heartbeats: bool = True) -> WorkerEvents | None:
    """The events of a worker, put into its setup; None where nobody asked for any.

    They are there with task events or remote control switched on; a broker that cannot broadcast is named in the log.
    """
    conf = app.conf
    if not conf.worker_send_task_events and not conf.worker_enable_remote_control:
        return None
    if Cap.BROADCAST not in app.broker.capabilities:
        if conf.worker_send_task_events:
            logger.warning("%s cannot broadcast: no events are sent", type(app.broker).__name__)
        return None
    events = WorkerEvents(app, setup, tasks=conf.worker_send_task_events, heartbeats=heartbeats)
    setup.child_started = before(events.in_child, setup.child_started)
    setup.child_stopping = both(setup.child_stopping, lambda **arguments: events.leave_child())
    return events


def hooks_with(events: WorkerEvents, bind: Callable[[str], Observer]) -> Callable[[str], Observer]:
    """The hooks of a worker, with its events at both ends of its life."""
    first = {"worker_ready": events.online, "worker_stopped": events.offline}
    return lambda name: before(first[name], bind(name)) if name in first else bind(name)
