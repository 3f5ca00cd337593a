"""Reading the ledger: what was executed, lost, doubled, interrupted and run again."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

IN_HAND = 0.1
"""Seconds after its body's end during which a task may still be on its way to the broker's books."""


@dataclass(slots=True)
class Run:
    """One execution. `end` is None where it was interrupted. Unix seconds."""

    task_id: str
    attempt: int
    pid: int
    start: float
    end: float | None = None

    def met(self, fault: Fault) -> bool:
        """Whether it was being executed, or about to be acknowledged, when the fault came."""
        return self.start <= fault.end and (self.end is None or self.end + IN_HAND >= fault.start)


@dataclass(frozen=True, slots=True)
class Fault:
    """The moment, or the time, of a fault. Unix seconds."""

    start: float
    end: float


class Book:
    """Executions, read line by line from a ledger that grows."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        """In the order of their starts."""
        self.ends = 0
        self.ended: set[str] = set()
        """Tasks of which one execution at least has ended."""
        self._open: dict[tuple[str, str], Run] = {}

    def read(self, lines: Iterable[str]) -> None:
        """Take in what is new."""
        for line in lines:
            what, task_id, attempt, pid, when = line.split()
            if what == "start":
                run = self._open[task_id, pid] = Run(task_id, int(attempt), int(pid), float(when))
                self.runs.append(run)
            else:
                self._open.pop((task_id, pid)).end = float(when)
                self.ends += 1
                self.ended.add(task_id)


def read_runs(lines: Iterable[str]) -> list[Run]:
    """All executions, in the order of their starts."""
    book = Book()
    book.read(lines)
    return book.runs


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the tasks that were sent."""

    sent: int
    executed: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    """Finished twice, with no fault that explains it."""
    repeated: tuple[str, ...]
    """Finished twice, since a fault came between the body and the broker's books."""
    interrupted: tuple[Run, ...]
    """Executions that a fault ended, and that were taken up again."""
    uncharged: tuple[Run, ...]
    """Interrupted for long enough to be known to the broker, and yet not counted as an attempt."""
    recovery: float | None
    """Longest time from a fault to the next start of a task that it interrupted, seconds."""


def tally(runs: Sequence[Run], sent: Collection[str], faults: Sequence[Fault], known_after: float) -> Tally:
    """Count. An execution must be charged once it has run for `known_after` seconds."""
    by_task: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_task[run.task_id].append(run)
    lost = tuple(task_id for task_id in sent if not any(run.end for run in by_task.get(task_id, ())))
    doubled: list[str] = []
    repeated: list[str] = []
    interrupted: list[Run] = []
    uncharged: list[Run] = []
    recoveries: list[float] = []
    for task_id, mine in by_task.items():
        finished = [run for run in mine if run.end]
        explained = sum(any(run.met(fault) for fault in faults) for run in finished)
        if len(finished) > 1:
            (repeated if explained >= len(finished) - 1 else doubled).append(task_id)
        for run, again in itertools.pairwise(mine):
            fault = next((f for f in reversed(faults) if run.met(f) and f.start <= again.start), None)
            if run.end is None:
                interrupted.append(run)
                if fault and fault.start - run.start > known_after and again.attempt <= run.attempt:
                    uncharged.append(run)
            if fault is not None:
                recoveries.append(max(0.0, again.start - fault.end))
    return Tally(
        sent=len(sent),
        executed=len(runs),
        lost=lost,
        doubled=tuple(doubled),
        repeated=tuple(repeated),
        interrupted=tuple(interrupted),
        uncharged=tuple(uncharged),
        recovery=max(recoveries, default=None),
    )
