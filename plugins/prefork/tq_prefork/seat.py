"""A seat in memory that a child shares with its parent.

The child writes, the parent reads, and there is no lock: a child may be killed at any instant. A record is
written into the next of four places, and then made the current one by a single store of its number. So what is
current is always whole, also after a kill. The place of a record is written again three records later; a reader
that took longer than that reads again.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from typing import IO, NamedTuple

from tq.errors import ImproperlyConfigured

NAME_LIMIT = 511
_PLACES = 4
# receipt, started, soft deadline, hard deadline, finished
_BODY = struct.Struct("@qdddq")
# length, text
_NAME = struct.Struct(f"@q{NAME_LIMIT + 1}s")
# Words at the start: the number of the current body record, that of the current name, whether the child ended,
# when its engine last came round (milliseconds), and number and length of the note; 0 where there is none.
_BODY_NUMBER, _NAME_NUMBER, _ENDED, _CAME_ROUND, _NOTED = 0, 1, 2, 3, 4
_BODIES_AT = 40
_NAMES_AT = _BODIES_AT + _PLACES * _BODY.size
_SIZE = _NAMES_AT + _PLACES * _NAME.size
_LENGTH_BITS = 40


class Running(NamedTuple):
    """What one seat said at one instant; the fields of `tq.contracts.pool.Seat`."""

    receipt: int
    started: float
    soft_deadline: float
    hard_deadline: float
    finished: int


class SharedSeat:
    """The seat of one child, for one life; made by the parent directly before the fork."""

    __slots__ = ("_finished", "_map", "_notes", "_number", "_paper", "_runs", "_words")

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, _SIZE)
        self._words = memoryview(self._map)[:_BODIES_AT].cast("q")
        # A note may be of any size, and the page has to be there before the fork.
        self._paper = _paper()
        self._number = 0
        self._finished = 0
        self._notes = 0
        self._runs = False
        _BODY.pack_into(self._map, _BODIES_AT, -1, 0.0, 0.0, 0.0, 0)

    # -- the child's side ----------------------------------------------------------------------------------

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts."""
        self._runs = True
        self._number = n = self._number + 1
        at = _BODIES_AT + n % _PLACES * _BODY.size
        _BODY.pack_into(self._map, at, receipt, started, soft_deadline, hard_deadline, self._finished)
        self._words[_BODY_NUMBER] = n

    def end(self) -> None:
        """It ended; does nothing when nothing runs."""
        if self._runs:
            self._runs = False
            self._finished = finished = self._finished + 1
            self._number = n = self._number + 1
            at = _BODIES_AT + n % _PLACES * _BODY.size
            _BODY.pack_into(self._map, at, -1, 0.0, 0.0, 0.0, finished)
            self._words[_BODY_NUMBER] = n

    def come_round(self) -> None:
        """The engine is about to ask for messages."""
        self._words[_CAME_ROUND] = int(time.monotonic() * 1000)

    def say_ended(self) -> None:
        """The engine returned: this life ended as it should, whatever exit status follows."""
        self._words[_ENDED] = 1

    def note(self, data: bytes) -> None:
        """Note this for the parent; empty: nothing. Its number and length are written last, at once."""
        self._words[_NOTED] = 0
        written = 0
        while written < len(data):
            written += os.pwrite(self._paper.fileno(), data[written:], written)
        if data:
            self._notes = n = (self._notes + 1) % 2**20
            self._words[_NOTED] = n << _LENGTH_BITS | len(data)

    # -- both sides ----------------------------------------------------------------------------------------

    def read(self) -> Running:
        """All fields as of one instant."""
        words = self._words
        while True:
            n = words[_BODY_NUMBER]
            fields = _BODY.unpack_from(self._map, _BODIES_AT + n % _PLACES * _BODY.size)
            if words[_BODY_NUMBER] - n < _PLACES - 1:
                return Running(*fields)

    @property
    def consumer_id(self) -> str:
        """The consumer that holds what runs here; empty before there is one."""
        words = self._words
        while True:
            n = words[_NAME_NUMBER]
            length, text = _NAME.unpack_from(self._map, _NAMES_AT + n % _PLACES * _NAME.size)
            if words[_NAME_NUMBER] - n < _PLACES - 1:
                return str(text[:length], "utf-8")

    @consumer_id.setter
    def consumer_id(self, value: str) -> None:
        text = value.encode()
        if len(text) > NAME_LIMIT:
            raise ImproperlyConfigured(
                f"the consumer id {value!r} has {len(text)} bytes and the prefork pool takes {NAME_LIMIT}; "
                f"use a shorter worker name"
            )
        n = self._words[_NAME_NUMBER] + 1
        _NAME.pack_into(self._map, _NAMES_AT + n % _PLACES * _NAME.size, len(text), text)
        self._words[_NAME_NUMBER] = n

    @property
    def receipt(self) -> int:
        """What runs, or -1."""
        return self.read().receipt

    @property
    def started(self) -> float:
        """When the running body started."""
        return self.read().started

    @property
    def soft_deadline(self) -> float:
        """When the running body gets `SoftTimeLimitExceeded`."""
        return self.read().soft_deadline

    @property
    def hard_deadline(self) -> float:
        """When the running body is killed."""
        return self.read().hard_deadline

    @property
    def finished(self) -> int:
        """Bodies that ended here."""
        return self.read().finished

    @property
    def came_round(self) -> float:
        """When the engine last asked for messages; 0 before it did."""
        return self._words[_CAME_ROUND] / 1000

    @property
    def shown(self) -> tuple[float, int]:
        """What changes while the child works."""
        return self.came_round, self.finished

    @property
    def ended(self) -> bool:
        """Whether the child said that it ended as it should."""
        return bool(self._words[_ENDED])

    @property
    def noted(self) -> bytes:
        """What the child noted last; nothing while it notes something else."""
        while word := self._words[_NOTED]:
            length, data = word % 2**_LENGTH_BITS, b""
            while len(data) < length and (
                more := os.pread(self._paper.fileno(), length - len(data), len(data))
            ):
                data += more
            if self._words[_NOTED] == word:
                return data
        return b""


def _paper() -> IO[bytes]:
    """An empty file without a name: in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("tq-seat"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
