"""The loop: it leads or waits to lead, looks what is due, has it sent, and writes that down.

Exactly one message for each due time: the id of the message follows from entry and due time, so whoever sends it
again sends the same message (brokers with `Cap.UNIQUE` take it once); and it is sent again until a leader has
written down that it was, which only the newest leader can.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from tq.beat.agenda import Agenda, Item
from tq.beat.plan import message_id, plan
from tq.beat.sync import sync
from tq.contracts.schedules import Advance, Entry, ScheduleStore, State
from tq.errors import BackendError, BrokerUnavailable

logger = logging.getLogger("tq.beat")

LOOK = 1.0
"""Seconds between two looks for changes, where the settings say nothing."""
RELOAD = 60.0
"""Seconds between two looks at all entries: rows of a table may be changed without a word to anybody."""
LONGEST_PAUSE = 15.0
"""Seconds between two tries while a store or the broker is away."""
JUMP = 1.0
"""Seconds by which the clock may be set back before everything is looked at anew."""


class Sender(Protocol):
    """How messages leave, and what became of them."""

    unique: bool
    """Whether the broker takes one id once."""
    remembers: float | None
    """Seconds that results are kept: a run without a result after that has ended, or was lost."""

    def send(self, entry: Entry, task_id: str, due: float) -> None:
        """Send one. Raises `BrokerUnavailable` where that may be tried again, anything else where it may not."""

    def unfinished(self, task_ids: Sequence[str]) -> set[str]:
        """Those of these tasks that have no result yet."""


class Beat:
    """One of any number of beats on one store. `run` works until `stop`; `tick` is one turn of it."""

    def __init__(
        self,
        store: ScheduleStore,
        sender: Sender,
        entries: Mapping[str, Entry],
        *,
        owner: str,
        zone: dt.tzinfo,
        lease: float,
        look: float = LOOK,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._sender = sender
        self._entries = entries
        self.owner = owner
        self._lease = lease
        self._every = min(look or LOOK, lease / 3)
        self._clock = clock
        self._monotonic = monotonic
        self.grace = 2 * lease + 5
        """Seconds of delay that are no misfire: another beat needs a lease to take over."""
        self._agenda = Agenda(zone, self.grace)
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._synced = False
        self._fence: int | None = None
        """None also while everything has to be read anew."""
        self._led = False
        self._version: int | None = None
        self._next_lead = 0.0
        self._next_read = 0.0
        self._offset = clock() - monotonic()

    @property
    def leads(self) -> bool:
        """Whether it led when it looked last."""
        return self._fence is not None

    @property
    def url(self) -> str:
        """Where the schedule is kept."""
        return self._store.url

    def run(self) -> None:
        """Work until `stop`. Outages of the stores are waited for."""
        failures = 0
        while not self._stopped:
            try:
                pause = self.tick()
                failures = 0
            except (BackendError, BrokerUnavailable) as exc:
                failures += 1
                pause = self._after_failure(failures)
                logger.warning("beat tries again in %.1f s: %s", pause, exc)
            except Exception:
                failures += 1
                pause = self._after_failure(failures)
                logger.exception("beat goes on in %.1f s after an unexpected error", pause)
            self._sleep(pause)
        self._resign()

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopped = True
        self._bell.put(None)

    def tick(self) -> float:
        """Lead or try to, send what is due; returns the seconds until there is something to do."""
        try:
            return self._tick()
        except BaseException:
            # What was going on is unknown: everything is read anew.
            self._look_anew()
            raise

    def _tick(self) -> float:
        if not self._synced:
            sync(self._store, self._entries)
            self._synced = True
        self._keep_leading()
        if self._fence is None:
            return max(0.01, self._next_lead - self._monotonic())
        now = self._clock()
        due = self._agenda.due(now)
        if due:
            self._send(due, now)
        wait = min(self._next_lead - self._monotonic(), self._agenda.next_time() - self._clock())
        return max(0.0, wait)

    # -- leading -------------------------------------------------------------------------------------------

    def _keep_leading(self, *, force: bool = False) -> None:
        began = self._monotonic()
        offset = self._clock() - began
        set_back = offset < self._offset - JUMP
        self._offset = offset
        if not force and not set_back and began < self._next_lead:
            return
        answer = self._store.lead(self.owner, self._lease)
        if answer.fence is None:
            if self._led:
                logger.warning("beat %s leads no more: another one took over", self.owner)
            self._fence, self._led = None, False
            # Where it ends in time, the next leader is there when it ends.
            self._next_lead = self._monotonic() + min(max(answer.left, 0.01), self._lease / 3)
            return
        self._next_lead = began + self._every
        if not self._led:
            logger.info("beat %s leads", self.owner)
        self._led = True
        changed = answer.fence != self._fence or answer.version != self._version
        if set_back or changed or began >= self._next_read:
            self._next_read = began + RELOAD
            self._read(answer.fence, answer.version)

    def _read(self, fence: int, version: int) -> None:
        self._fence = None
        if self._version is not None and version < self._version:
            # The store was emptied, or put back to an older copy.
            sync(self._store, self._entries)
        self._agenda.load(self._store.read(), self._clock())
        self._fence, self._version = fence, version
        self._write(self._agenda.mended())

    def _look_anew(self) -> None:
        self._fence, self._next_lead = None, 0.0

    def _resign(self) -> None:
        try:
            self._store.resign(self.owner)
        except BackendError as exc:
            logger.warning("beat could not resign, the next one waits for its lease: %s", exc)
        self._store.close()

    # -- sending -------------------------------------------------------------------------------------------

    def _send(self, due: Sequence[Item], now: float) -> None:
        # A broker that takes an id twice will not notice a late leader: make sure that the lease is whole.
        renew = not self._sender.unique
        busy = self._unfinished(due)
        done: list[tuple[Item, State]] = []
        try:
            for item in due:
                if renew or self._monotonic() >= self._next_lead + self._every:
                    self._write(done)
                    done = []
                    self._keep_leading(force=True)
                    renew = False
                if self._fence is None or not self._agenda.has(item):
                    return
                state, error = self._send_one(item, now, busy)
                done.append((item, state))
                if error is not None:
                    raise error
        finally:
            self._write(done)

    def _unfinished(self, due: Sequence[Item]) -> set[str]:
        since = self._clock() - (self._sender.remembers or math.inf)
        ids = [
            i.state.last_id
            for i in due
            if i.entry.overlap != "allow" and i.state.last_id and (i.state.last_sent or 0.0) > since
        ]
        return self._sender.unfinished(ids) if ids else set()

    def _send_one(self, item: Item, now: float, busy: set[str]) -> tuple[State, BrokerUnavailable | None]:
        """The state afterwards; with an error where the broker was away before all was sent."""
        entry, state = item.entry, item.state
        dues, following = self._planned(item, now)
        dues, queued = _without_overlap(entry, state, dues, state.last_id in busy)
        for due in dues:
            try:
                state = self._message(entry, state, due, now)
            except BrokerUnavailable as exc:
                left = state if entry.overlap == "queue" else msgspec.structs.replace(state, next_due=due)
                return left, exc
        return msgspec.structs.replace(state, next_due=following, queued=queued), None

    def _planned(self, item: Item, now: float) -> tuple[list[float], float | None]:
        entry, due = item.entry, item.state.next_due
        if due is None:
            return [], None
        found = plan(entry, due, item.schedule, now=now, zone=item.zone, grace=item.grace)
        if found.missed:
            logger.warning(
                "%s was due %.0f s ago; its misfire policy %r sends %d",
                *(entry.name, now - due, entry.misfire, len(found.dues)),
            )
        return found.dues, found.next_due

    def _message(self, entry: Entry, state: State, due: float, now: float) -> State:
        task_id = message_id(self._store.namespace, entry.name, state.series, due)
        try:
            self._sender.send(entry, task_id, due)
        except BrokerUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001 - one wrong entry must not stop its neighbours
            logger.error("%s could not be sent, and will not be before its next time: %s", entry.name, exc)
            return state
        logger.info("%s: sent %s[%s]", entry.name, entry.task, task_id)
        return msgspec.structs.replace(
            state, last_due=due, last_sent=now, last_id=task_id, sent=state.sent + 1
        )

    def _write(self, done: Sequence[tuple[Item, State]]) -> None:
        """Write new states. Where one is refused, somebody changed the entry or leads: everything is read anew."""
        changed = [(item, state) for item, state in done if state != item.state]
        for item, state in done:
            if state == item.state:
                self._agenda.wait(item)
        if not changed or self._fence is None:
            return
        batch = [Advance(item.entry.name, item.revision, state) for item, state in changed]
        written = self._store.advance(batch, fence=self._fence)
        for (item, state), good in zip(changed, written, strict=True):
            if good:
                self._agenda.advance(item, state)
        if not all(written):
            self._look_anew()

    # -- waiting -------------------------------------------------------------------------------------------

    def _after_failure(self, failures: int) -> float:
        return min(LONGEST_PAUSE, self._every * 2.0 ** min(failures - 1, 8))

    def _sleep(self, seconds: float) -> None:
        try:
            self._bell.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            return


def _without_overlap(
    entry: Entry, state: State, dues: list[float], busy: bool
) -> tuple[list[float], list[float]]:
    """What is sent now, and what waits for the run before."""
    if entry.overlap == "allow":
        return dues, []
    if entry.overlap == "skip":
        if busy and dues:
            logger.info("%s is left out: the run before has not ended", entry.name)
        return ([] if busy else dues[-1:]), []
    waiting = [*state.queued, *dues]
    if len(waiting) > entry.catch_up:
        logger.warning("%s: more than %d runs wait, the newest are left out", entry.name, entry.catch_up)
        waiting = waiting[: entry.catch_up]
    return ([], waiting) if busy else (waiting[:1], waiting[1:])
