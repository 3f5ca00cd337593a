"""tq workers, started by the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tests.ledger import VARIABLE, Ledger
from tests.processes.program import Program

READY = " is ready, reading "
"""What a worker logs when it is."""


class Workers:
    """Starts workers of one app on one broker, and ends all of them at the end."""

    def __init__(self, app: str, broker: str, backend: str, ledger: Ledger) -> None:
        self._app = app
        self.broker = broker
        self.backend = backend
        self.ledger = ledger
        self._started: list[Program] = []

    def start(
        self,
        *arguments: str,
        pool: str = "solo",
        broker: str | None = None,
        ready: bool = True,
        **settings: object,
    ) -> Program:
        """Start one and wait until it is ready; `settings` are given as TQ_ variables."""
        given = {f"TQ_{name.upper()}": str(value) for name, value in settings.items()}
        program = Program(
            [
                *(sys.executable, "-m", "tq", "-A", self._app, "-b", broker or self.broker),
                *("--result-backend", self.backend, "worker", "-l", "INFO", "-P", pool, *arguments),
            ],
            self._environment(given),
        )
        self._started.append(program)
        if ready:
            program.wait_for(READY)
        return program

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return {VARIABLE: str(self.ledger.path), **given}

    def close(self) -> None:
        """End what still runs. What each said is printed, which pytest shows for a test that failed."""
        for program in self._started:
            print(f"--- {program.name}\n{program.tail()}")
            program.close()
