"""The cluster as its events tell it: workers and tasks, the newest of each, in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tq.events.event import Event
from tq.events.nodes import Task, Worker, number

R = TypeVar("R")
Node = TypeVar("Node", Task, Worker)

_LONGEST_NAME = 1024


class State:
    """Feed it with `event`; then ask. Names and meaning are those of Celery's `app.events.State()`.

    Beyond `max_workers_in_memory` and `max_tasks_in_memory` what was heard of least recently is forgotten.
    `callback(state, event)` is called for each event. Safe for threads.
    """

    def __init__(
        self,
        callback: Callable[[State, Event], None] | None = None,
        *,
        max_workers_in_memory: int = 5000,
        max_tasks_in_memory: int = 10000,
        on_node_join: Callable[[Worker], None] | None = None,
        on_node_leave: Callable[[Worker], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.event_callback = callback
        self.max_workers_in_memory = max_workers_in_memory
        self.max_tasks_in_memory = max_tasks_in_memory
        self.on_node_join = on_node_join
        self.on_node_leave = on_node_leave
        self.workers: OrderedDict[str, Worker] = OrderedDict()
        self.tasks: OrderedDict[str, Task] = OrderedDict()
        self.event_count = 0
        self.task_count = 0
        self._now = now
        self._mutex = threading.RLock()

    # -- events --------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        """Take one event. One without the fields of its kind is only counted."""
        with self._mutex:
            self.event_count += 1
            if self.event_callback is not None:
                self.event_callback(self, event)
            group, _, kind = str(event.get("type", "")).partition("-")
            hostname = event.get("hostname")
            if not isinstance(hostname, str) or len(hostname) > _LONGEST_NAME:
                return
            if group == "worker":
                self._worker_event(kind, hostname, event)
            elif group == "task":
                self._task_event(kind, hostname, event)

    def _worker_event(self, kind: str, hostname: str, event: Event) -> None:
        worker, is_new = self.get_or_create_worker(hostname)
        worker.event(kind, self._received(event), event)
        if kind == "offline":
            if self.on_node_leave is not None:
                self.on_node_leave(worker)
            self.workers.pop(hostname, None)
        elif self.on_node_join is not None and (is_new or kind == "online"):
            self.on_node_join(worker)

    def _task_event(self, kind: str, hostname: str, event: Event) -> None:
        uuid = event.get("uuid")
        if not isinstance(uuid, str) or len(uuid) > _LONGEST_NAME:
            return
        task, _ = self.get_or_create_task(uuid)
        if kind == "sent":
            # Who sends is no worker.
            task.client = hostname
        else:
            task.worker, _ = self.get_or_create_worker(hostname)
            # A task event is a sign of life, as in Celery.
            task.worker.event("task", self._received(event), {"pid": event.get("pid")})
        task.event(kind, event)
        if kind == "received":
            self.task_count += 1

    def _received(self, event: Event) -> float:
        return number(event.get("local_received"), 0.0) or self._now()

    def get_or_create_worker(self, hostname: str) -> tuple[Worker, bool]:
        """The worker, and whether it is new."""
        found = self.workers.get(hostname)
        if found is not None:
            self.workers.move_to_end(hostname)
            return found, False
        made = self.workers[hostname] = Worker(hostname, self._now)
        _shrink(self.workers, self.max_workers_in_memory)
        return made, True

    def get_or_create_task(self, uuid: str) -> tuple[Task, bool]:
        """The task, and whether it is new."""
        found = self.tasks.get(uuid)
        if found is not None:
            self.tasks.move_to_end(uuid)
            return found, False
        made = self.tasks[uuid] = Task(uuid, self)
        _shrink(self.tasks, self.max_tasks_in_memory)
        return made, True

    # -- questions -----------------------------------------------------------------------------------------

    def itertasks(self, limit: int | None = None) -> Iterator[tuple[str, Task]]:
        """Ids and tasks, in the order in which they were heard of."""
        with self._mutex:
            known = list(self.tasks.items())
        return iter(known[:limit])

    def tasks_by_time(self, limit: int | None = None, reverse: bool = True) -> Iterator[tuple[str, Task]]:
        """Ids and tasks ordered by the clock of their last state; the newest first."""
        known = sorted(self.itertasks(), key=_moment, reverse=reverse)
        return iter(known[:limit])

    tasks_by_timestamp = tasks_by_time

    def tasks_by_type(
        self, name: str, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, Task]]:
        """The same for the tasks of one name."""
        return self._some(lambda task: task.name == name, limit, reverse)

    def tasks_by_worker(
        self, hostname: str, limit: int | None = None, reverse: bool = True
    ) -> Iterator[tuple[str, Task]]:
        """The same for the tasks of one worker."""
        return self._some(
            lambda task: task.worker is not None and task.worker.hostname == hostname, limit, reverse
        )

    def _some(
        self, wanted: Callable[[Task], bool], limit: int | None, reverse: bool
    ) -> Iterator[tuple[str, Task]]:
        found = [pair for pair in self.tasks_by_time(reverse=reverse) if wanted(pair[1])]
        return iter(found[:limit])

    def task_types(self) -> list[str]:
        """The names of all tasks that are known."""
        return sorted({task.name for _, task in self.itertasks() if isinstance(task.name, str)})

    def alive_workers(self) -> list[Worker]:
        """The workers whose heartbeats come."""
        with self._mutex:
            return [worker for worker in self.workers.values() if worker.alive]

    # -- all at once ---------------------------------------------------------------------------------------

    def freeze_while(
        self, function: Callable[..., R], *args: Any, clear_after: bool = False, **kwargs: Any
    ) -> R:
        """Call a function while no event changes anything; `clear_after` forgets what has ended then."""
        with self._mutex:
            try:
                return function(*args, **kwargs)
            finally:
                if clear_after:
                    self.clear()

    def clear_tasks(self, ready: bool = True) -> None:
        """Forget the tasks that have ended, or with `ready=False` all."""
        with self._mutex:
            kept = [pair for pair in self.tasks.items() if ready and not pair[1].ready]
            self.tasks = OrderedDict(kept)

    def clear(self, ready: bool = True) -> None:
        """Forget the workers, the counts, and tasks as `clear_tasks` does."""
        with self._mutex:
            self.workers.clear()
            self.clear_tasks(ready)
            self.event_count = self.task_count = 0

    def __repr__(self) -> str:
        return f"<State: events={self.event_count} tasks={self.task_count}>"


def _shrink(known: OrderedDict[str, Node], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)


def _moment(pair: tuple[str, Task]) -> tuple[float, float, str]:
    task = pair[1]
    return number(task.clock, 0.0), number(task.timestamp, 0.0), task.uuid


def feed(state: State, events: Iterable[Event]) -> State:
    """Give all these events to a state."""
    for event in events:
        state.event(event)
    return state
