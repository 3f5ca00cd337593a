"""What runs in a process, kept where another process can read it when this one is dead."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Any

from tq.contracts.pool import Engine, Job, Pool, PoolSetup, Seat, Spawn

_NAME = 512
"""Bytes for the consumer's id."""
_NOTHING = -1


class Board:
    """Shared memory behind a descriptor: the id of one consumer, and the receipt on each of `seats` seats.

    A note is one store of eight bytes, so what is read is whole at every instant.
    """

    def __init__(self, seats: int, descriptor: int | None = None) -> None:
        self.seats = seats
        size = _NAME + 8 * seats
        if descriptor is None:
            with tempfile.TemporaryFile(prefix="tq-board-") as file:
                file.truncate(size)
                self.descriptor = os.dup(file.fileno())
            os.set_inheritable(self.descriptor, True)
        else:
            self.descriptor = descriptor
        self._memory = mmap.mmap(self.descriptor, size)
        self._receipts = memoryview(self._memory)[_NAME:].cast("q")
        if descriptor is None:
            for number in range(seats):
                self._receipts[number] = _NOTHING

    @property
    def consumer_id(self) -> str:
        """Who holds what runs; empty before it has told."""
        return self._memory[:_NAME].rstrip(b"\0").decode("utf-8", "replace")

    @consumer_id.setter
    def consumer_id(self, consumer_id: str) -> None:
        self._memory[:_NAME] = consumer_id.encode()[:_NAME].ljust(_NAME, b"\0")

    @property
    def running(self) -> tuple[int, ...]:
        """The receipts that are noted."""
        return tuple(receipt for receipt in self._receipts if receipt != _NOTHING)

    def note(self, seat: int, receipt: int = _NOTHING) -> None:
        """This runs there now; nothing by default."""
        self._receipts[seat] = receipt

    def close(self) -> None:
        """Give memory and descriptor back."""
        self._receipts.release()
        self._memory.close()
        os.close(self.descriptor)


class NotedSeat:
    """A pool's seat, whose comings and goings are noted on a board as well; see `tq.contracts.pool.Seat`."""

    __slots__ = ("_board", "_number", "inside")

    def __init__(self, inside: Seat, board: Board, number: int) -> None:
        self.inside = inside
        self._board = board
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)

    @property
    def consumer_id(self) -> str:
        """See `Seat`."""
        return self.inside.consumer_id

    @consumer_id.setter
    def consumer_id(self, consumer_id: str) -> None:
        self.inside.consumer_id = consumer_id
        if self._number == 0:
            self._board.consumer_id = consumer_id

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts."""
        self._board.note(self._number, receipt)
        self.inside.begin(receipt, started, soft_deadline, hard_deadline)

    def end(self) -> None:
        """It ended."""
        self.inside.end()
        self._board.note(self._number)


class NotedSetup:
    """A worker's setup whose engine with slots keeps a board; all else is as it was."""

    def __init__(self, setup: PoolSetup, board: Board) -> None:
        self._setup = setup
        self._board = board

    def __getattr__(self, name: str) -> Any:
        return getattr(self._setup, name)

    def slots_engine(self, seats: Sequence[Seat], spawn: Spawn) -> Engine:
        """See `PoolSetup`: the pool gets its own seats back, the engine those with notes."""
        noted = [NotedSeat(seat, self._board, number) for number, seat in enumerate(seats)]

        def spawn_inside(job: Job, seat: Seat) -> None:
            spawn(job, seat.inside if isinstance(seat, NotedSeat) else seat)

        return self._setup.slots_engine(noted, spawn_inside)


def keeping(board: Board, pool_class: type[Pool]) -> type[Pool]:
    """This pool, keeping a board of what it runs."""

    class Keeping(pool_class):  # type: ignore[misc, valid-type]
        def __init__(self, setup: PoolSetup) -> None:
            super().__init__(NotedSetup(setup, board))

    Keeping.__name__, Keeping.__qualname__ = pool_class.__name__, pool_class.__qualname__
    return Keeping
