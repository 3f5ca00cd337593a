"""What the engines of one process say of themselves, and the changes that they take, while they work.

A pool with children passes questions on to them (`Pool.ask`); in every other pool the engines are in the worker's own
process. Nothing here is done for each task: an answer looks at what the engines hold at that moment.
"""

from __future__ import annotations

import datetime as dt
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from tq.errors import TQError
from tq.records import Delivery, Message
from tq.wire.call import TaskCall
from tq.wire.pidbox import plain
from tq.wire.protocol import identify
from tq.worker.run import Run

MOST: int = 1000
"""Tasks of one kind in one answer."""
Change = Callable[[Mapping[str, Any]], None]
"""Applies a change to the plans of this process."""
Read = Callable[[Message], TaskCall]
"""Reads a task message; raises `TQError`."""


class Looked(Protocol):
    """An engine, as answers look at it. Both are called from other threads."""

    def runs(self) -> Iterable[Run]:
        """What runs now."""

    def waiting(self) -> Iterable[Delivery]:
        """What it holds and has not begun."""

    def parked(self) -> Iterable[tuple[float, Delivery]]:
        """What it keeps until it is due (monotonic seconds), on brokers that keep no delays."""


class Question(msgspec.Struct, frozen=True):
    """`change` is applied first, where there is one."""

    change: dict[str, Any] = {}
    tasks: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What one process holds, as Celery's request infos; `scheduled` with the moment at which it is due."""

    pid: int
    active: list[dict[str, Any]] = []
    reserved: list[dict[str, Any]] = []
    scheduled: list[dict[str, Any]] = []


class Answers:
    """The engines of this process. `change` is None where nothing can be changed."""

    def __init__(self, hostname: str, read: Read, change: Change | None = None) -> None:
        self._hostname = hostname
        self._read = read
        self._change = change
        self._engines: weakref.WeakSet[Any] = weakref.WeakSet()

    def add(self, engine: Looked) -> None:
        """An engine was made here."""
        self._engines.add(engine)

    def in_child(self) -> None:
        """The parent's engines are not this child's."""
        self._engines = weakref.WeakSet()

    def raw(self, question: bytes) -> bytes:
        """Both as JSON; for questions that come from another process."""
        return msgspec.json.encode(self.answer(msgspec.json.decode(question, type=Question)), enc_hook=repr)

    def answer(self, question: Question) -> Answer:
        """Change what is to be changed, and look."""
        if question.change and self._change is not None:
            self._change(question.change)
        answer = Answer(os.getpid())
        if question.tasks:
            for engine in list(self._engines):
                self._look(engine, answer)
        return answer

    def _look(self, engine: Looked, answer: Answer) -> None:
        for run in snapshot(engine.runs)[:MOST]:
            if run.call is not None:
                answer.active.append(_info(run.call, run.delivery, self._hostname, run))
        for delivery in snapshot(engine.waiting)[:MOST]:
            answer.reserved.append(self._unread(delivery))
        for due, delivery in snapshot(engine.parked)[:MOST]:
            request = self._unread(delivery)
            answer.scheduled.append({"eta": _iso(due), "priority": 6, "request": request})

    def _unread(self, delivery: Delivery) -> dict[str, Any]:
        """The info of a message that no engine has read yet."""
        message = delivery.message
        if not isinstance(message, Message):
            return _info(TaskCall("", ""), delivery, self._hostname)
        try:
            return _info(self._read(message), delivery, self._hostname)
        except TQError:
            task_id, name = identify(message)
            return _info(TaskCall(task_id or "", name or ""), delivery, self._hostname)


def snapshot(read: Callable[[], Iterable[Any]]) -> list[Any]:
    """A list of what another thread changes meanwhile."""
    for _ in range(100):
        try:
            return list(read())
        except RuntimeError:  # It changed while it was read.
            continue
    return []


def _info(call: TaskCall, delivery: Delivery, hostname: str, run: Run | None = None) -> dict[str, Any]:
    began = run.started if run is not None else 0.0
    return {
        "id": call.id,
        "name": call.task,
        "args": plain(call.args),
        "kwargs": plain(call.kwargs),
        "type": call.task,
        "hostname": hostname,
        "time_start": time.time() - (time.monotonic() - began) if began else None,
        "acknowledged": bool(run is not None and run.plan is not None and not run.plan.acks_late),
        "delivery_info": delivery_info(delivery),
        "worker_pid": os.getpid() if began else None,
    }


def delivery_info(delivery: Delivery) -> dict[str, Any]:
    """Celery's dictionary."""
    properties = delivery.message.properties if isinstance(delivery.message, Message) else {}
    info = properties.get("delivery_info")
    info = info if isinstance(info, dict) else {}
    return {
        "exchange": plain(info.get("exchange", "")),
        "routing_key": plain(info.get("routing_key", delivery.queue)),
        "priority": plain(properties.get("priority")),
        "redelivered": delivery.attempt > 1,
    }


def _iso(due: float) -> str:
    when = time.time() + due - time.monotonic()
    return dt.datetime.fromtimestamp(when, dt.UTC).isoformat()
