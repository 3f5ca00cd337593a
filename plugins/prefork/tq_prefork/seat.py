"""A seat in memory that a child shares with its parent.

The child writes, the parent reads, and there is no lock: a child may be killed at any instant. Each section
carries its sequence number twice, written first and last by one `pack_into`. A reader that finds the last
number, the fields, and the first number unchanged has read one whole write.
"""

from __future__ import annotations

import mmap
import struct
from typing import NamedTuple

from tq.errors import ImproperlyConfigured

# sequence, receipt, started, soft deadline, hard deadline, finished, sequence
_BODY = struct.Struct("@qqdddqq")
_RECEIPT = struct.Struct("@q")
_NUMBER = struct.Struct("@q")
_FIRST, _RECEIPT_AT, _FINISHED_AT, _LAST = 0, 8, 40, 48
_ENDED_AT = _BODY.size
_NAME_AT = _ENDED_AT + 8
NAME_LIMIT = 255
# sequence, length, text, sequence
_NAME = struct.Struct(f"@qH{NAME_LIMIT}sq")
_NAME_LAST = _NAME.size - 8
# A writer is done within a microsecond, unless it was killed while it wrote.
_TRIES = 100


class Running(NamedTuple):
    """What one seat said at one instant; the fields of `tq.contracts.pool.Seat`."""

    receipt: int
    started: float
    soft_deadline: float
    hard_deadline: float
    finished: int


class SharedSeat:
    """The seat of one child, for one life; made by the parent directly before the fork."""

    __slots__ = ("_finished", "_map", "_runs", "_sequence")

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, _NAME_AT + _NAME.size)
        self._sequence = 0
        self._finished = 0
        self._runs = False
        _BODY.pack_into(self._map, 0, 0, -1, 0.0, 0.0, 0.0, 0, 0)

    # -- the child's side ----------------------------------------------------------------------------------

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts."""
        self._runs = True
        self._sequence = n = self._sequence + 1
        _BODY.pack_into(self._map, 0, n, receipt, started, soft_deadline, hard_deadline, self._finished, n)

    def end(self) -> None:
        """It ended; does nothing when nothing runs."""
        if self._runs:
            self._runs = False
            self._finished = finished = self._finished + 1
            self._sequence = n = self._sequence + 1
            _BODY.pack_into(self._map, 0, n, -1, 0.0, 0.0, 0.0, finished, n)

    def say_ended(self) -> None:
        """The engine returned: this life ended as it should, whatever exit status follows."""
        _NUMBER.pack_into(self._map, _ENDED_AT, 1)

    # -- both sides ----------------------------------------------------------------------------------------

    @property
    def consumer_id(self) -> str:
        """The consumer that holds what runs here; empty before there is one."""
        for _ in range(_TRIES):
            last = _NUMBER.unpack_from(self._map, _NAME_AT + _NAME_LAST)
            first, length, text, _ = _NAME.unpack_from(self._map, _NAME_AT)
            if last[0] == first and _NUMBER.unpack_from(self._map, _NAME_AT) == last:
                break
        return str(text[:length], "utf-8", "replace")

    @consumer_id.setter
    def consumer_id(self, value: str) -> None:
        text = value.encode()
        if len(text) > NAME_LIMIT:
            raise ImproperlyConfigured(
                f"the consumer id {value!r} has {len(text)} bytes and the prefork pool takes {NAME_LIMIT}; "
                f"use a shorter worker name"
            )
        n = _NUMBER.unpack_from(self._map, _NAME_AT)[0] + 1
        _NAME.pack_into(self._map, _NAME_AT, n, len(text), text, n)

    @property
    def receipt(self) -> int:
        """What runs, or -1. One aligned word: never torn."""
        return int(_RECEIPT.unpack_from(self._map, _RECEIPT_AT)[0])

    @property
    def finished(self) -> int:
        """Bodies that ended here."""
        return int(_NUMBER.unpack_from(self._map, _FINISHED_AT)[0])

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
    def ended(self) -> bool:
        """Whether the child said that it ended as it should."""
        return bool(_NUMBER.unpack_from(self._map, _ENDED_AT)[0])

    def read(self) -> Running:
        """All fields as of one instant. Of a child that was killed while it wrote: as far as it came."""
        for _ in range(_TRIES):
            last = _NUMBER.unpack_from(self._map, _LAST)
            first, *fields, _ = _BODY.unpack_from(self._map, 0)
            if last[0] == first and _NUMBER.unpack_from(self._map, _FIRST) == last:
                break
        return Running(*fields)
