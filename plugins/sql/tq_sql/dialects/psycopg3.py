"""A connection of psycopg that does not wait for ever for a server that stopped answering."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus


class PatientConnection(psycopg.Connection[Any]):
    """Ends itself when an answer takes too long: libpq has no such limit of its own.

    `deadline` is a moment of the monotonic clock; `patience`, seconds, counts from each question.
    """

    deadline: float = math.inf
    patience: float = 10.0

    def commit_each(self, yes: bool) -> None:
        """Whether each statement is a transaction by itself. On a broken connection the next statement says so."""
        if self.autocommit != yes and self.pgconn.transaction_status == TransactionStatus.IDLE:
            self.autocommit = yes

    def hung_up(self) -> bool:
        """Whether the server has closed it: nothing else comes unasked, where nobody listens."""
        if self.closed:
            return True
        look = select.poll()
        look.register(self.fileno(), select.POLLIN)
        return bool(look.poll(0))

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
