"""Log records: the running task in each of them, and one JSON object for each line."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tq.request import current_request
from tq.wire.saferepr import saferepr

Factory = Callable[..., logging.LogRecord]

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "task_id",
    "task_name",
    "taskName",
}
"""What every record has; anything else was given by `extra`."""


class TaskRecords:
    """A record factory: inside a task, records know its id and name. `before` makes the record."""

    def __init__(self, before: Factory) -> None:
        # Set up twice in one process, it must not grow a chain.
        self._before: Factory = before._before if isinstance(before, TaskRecords) else before

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """The record."""
        record = self._before(*args, **kwargs)
        request = current_request.get()
        if request is not None:
            record.task_id, record.task_name = request.id, request.task
        return record


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time (ISO 8601, UTC), level, logger, message, process, pid, thread; `task_id`
    and `task_name` inside tasks; what was given as `extra`; `exception` and `stack` as text."""

    def format(self, record: logging.LogRecord) -> str:
        """Never raises for what the record holds: what JSON does not know becomes its repr."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.processName,
            "pid": record.process,
            "thread": record.threadName,
        }
        for name in ("task_id", "task_name"):
            if hasattr(record, name):
                fields[name] = getattr(record, name)
        for name, value in vars(record).items():
            if name not in _PLAIN and name not in fields:
                fields[name] = value
        if record.exc_info:
            fields["exception"] = record.exc_text or "".join(traceback.format_exception(*record.exc_info))
        if record.stack_info:
            fields["stack"] = record.stack_info
        return _written(fields)


def _written(fields: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(fields, enc_hook=saferepr).decode()
    except (ValueError, TypeError, UnicodeEncodeError, RecursionError):
        # Surrogates, numbers beyond 64 bits, keys that are no text.
        plain = {
            name: value if isinstance(value, int | None) else _text(value) for name, value in fields.items()
        }
        return msgspec.json.encode(plain, enc_hook=saferepr).decode()


def _text(value: object) -> str:
    text = value if isinstance(value, str) else saferepr(value)
    return text.encode("utf-8", "backslashreplace").decode()
