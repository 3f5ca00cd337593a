"""A connection of psycopg that does not wait for ever for a server that stopped answering."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

import psycopg


class PatientConnection(psycopg.Connection[Any]):
    """Ends itself when an answer takes too long: libpq has no such limit of its own.

    `deadline` is a moment of the monotonic clock; `patience`, seconds, counts from each question.
    """

    deadline: float = math.inf
    patience: float = 10.0

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        return super().wait(self._impatient(gen), *args, **kwargs)

    def _impatient(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """`gen`, which psycopg resumes several times a second, until the time is over."""
        end = min(self.deadline, time.monotonic() + self.patience)
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and time.monotonic() > end:
                    self.close()
                    raise psycopg.OperationalError("timeout: the server did not answer in time")
                state = gen.send(ready)
        except StopIteration as done:
            return done.value
