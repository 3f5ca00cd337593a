"""The queue of one client process, into which workers put the results of what it asked for.

Whoever waits reads for all: one thread at a time has the connection, the others are woken by what it finds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from tq import states
from tq.records import TaskMeta
from tq.wire.ids import new_id
from tq_amqp.connect import Connector
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.wire import Wire

_GRACE = 600_000
"""Milliseconds that the queue stays when its process is gone, or cannot reach the server."""
_ARGUMENTS = {"x-expires": _GRACE}
_PREFETCH = 1000
_SLICE = 1.0
_HURRY = 0.25
_PARTING = 2.0
Read = Callable[[Incoming], TaskMeta | None]


class Inbox:
    """See the module's text. `read` makes a document of a message, None of anything else."""

    def __init__(self, connector: Connector, read: Read, expires: float | None, timeout: float) -> None:
        self.name = new_id()
        self._connector = connector
        self._read = read
        self._expires = expires
        self._timeout = timeout
        self._changed = threading.Condition()
        self._reading = False
        self._wire: Wire | None = None
        self._channel: Channel | None = None
        self._known: dict[str, tuple[TaskMeta, float]] = {}

    def listen(self) -> None:
        """Make sure that the queue is there. Raises `Down`, `Refused`."""
        with self._changed:
            if self._wire is not None and self._wire.ended is None:
                return
        self._turn(lambda: True, time.monotonic())

    def find(self, task_ids: Iterable[str]) -> dict[str, TaskMeta]:
        """The documents of those tasks that came so far, as far as they have not expired."""
        ids = list(task_ids)
        until = time.monotonic() + _HURRY
        while True:
            # Another thread that reads finds what has come already, a moment later.
            looked = self._turn(lambda: False, time.monotonic(), barrier=True)
            with self._changed:
                found = self._of(ids)
            if looked or len(found) == len(set(ids)) or time.monotonic() >= until:
                return found

    def wait(self, task_ids: Iterable[str], timeout: float) -> dict[str, TaskMeta]:
        """Wait until one of the tasks has ended; those that have."""
        ids = list(task_ids)
        until = time.monotonic() + timeout

        def ended() -> dict[str, TaskMeta]:
            found = self._of(ids)
            return {each: meta for each, meta in found.items() if meta.status in states.READY_STATES}

        while True:
            with self._changed:
                if (found := ended()) or (self._wire is not None and time.monotonic() >= until):
                    return found
            self._turn(lambda: bool(ended()), until, barrier=time.monotonic() >= until)

    def forget(self, task_ids: Iterable[str]) -> None:
        """Remove what came of these tasks."""
        self.find(())
        with self._changed:
            for each in task_ids:
                self._known.pop(each, None)

    def close(self) -> None:
        """Remove the queue, and say goodbye."""
        with self._changed:
            wire, self._wire = self._wire, None
            channel, self._channel = self._channel, None
            if wire is not None and channel is not None:
                until = time.monotonic() + _PARTING
                try:
                    channel.call(m.queue_delete(self.name), until)
                except (Down, Refused):
                    wire.drop()
                wire.close(until)

    # -- reading -------------------------------------------------------------------------------------------

    def _turn(self, enough: Callable[[], bool], until: float, *, barrier: bool = False) -> bool:
        """Read until that moment, or let another thread do so; at most a second at once. Whether it was this one."""
        with self._changed:
            if self._reading:
                self._changed.wait(min(max(0.01, until - time.monotonic()), _SLICE))
                return False
            self._reading = True
        try:
            try:
                self._look(enough, until, barrier)
            except (Down, Refused):
                if not self._has_ended():
                    raise
                # While nobody looked: by a restart, or because results lay here for longer than consumer_timeout. They come again.
                self._drop()
                self._look(enough, until, barrier)
            return True
        except BaseException:
            self._drop()
            raise
        finally:
            with self._changed:
                self._reading = False
                self._changed.notify_all()

    def _look(self, enough: Callable[[], bool], until: float, barrier: bool) -> None:
        channel = self._ready()
        if barrier:
            # The queue has handed out what it has before it answers the first; the channel has sent that on
            # before it answers the second.
            last = time.monotonic() + self._timeout
            channel.call(m.queue_declare(self.name, arguments=_ARGUMENTS), last)
            channel.call(m.qos(_PREFETCH), last)
        else:
            slice_end = min(until, time.monotonic() + _SLICE)
            channel.wire.pump(lambda: bool(channel.deliveries or channel.closed) or enough(), slice_end)
        if channel.closed is not None:
            raise channel.closed
        self._take(channel)

    def _has_ended(self) -> bool:
        """Whether the server ended what had been open."""
        channel = self._channel
        return channel is not None and (channel.closed is not None or channel.wire.ended is not None)

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.drop()
        self._wire = self._channel = None

    def _ready(self) -> Channel:
        if self._channel is None or self._wire is None or self._wire.ended is not None:
            until = time.monotonic() + self._timeout
            self._wire = wire = self._connector.open(until)
            channel = wire.channel(until)
            channel.calls(
                [
                    m.queue_declare(self.name, arguments=_ARGUMENTS),
                    m.qos(_PREFETCH),
                    m.consume(self.name, "results"),
                ],
                until,
            )
            self._channel = channel
        return self._channel

    def _take(self, channel: Channel) -> None:
        last = 0
        with self._changed:
            while channel.deliveries:
                incoming = channel.deliveries.popleft()
                last = incoming.tag
                meta = self._read(incoming)
                if meta is not None:
                    self._keep(meta)
        if last:
            channel.send(m.ack(last, multiple=True))
            channel.wire.pump(lambda: True, time.monotonic() + self._timeout)

    def _keep(self, meta: TaskMeta) -> None:
        old = self._known.get(meta.task_id)
        if old is None or old[0].status != states.SUCCESS:
            # What never goes away by itself is kept as long as the process.
            life = float("inf") if self._expires is None else time.monotonic() + self._expires
            self._known.pop(meta.task_id, None)
            self._known[meta.task_id] = (meta, life)
        while self._known and next(iter(self._known.values()))[1] <= time.monotonic():
            del self._known[next(iter(self._known))]

    def _of(self, ids: Iterable[str]) -> dict[str, TaskMeta]:
        now = time.monotonic()
        return {
            each: self._known[each][0] for each in ids if each in self._known and self._known[each][1] > now
        }
