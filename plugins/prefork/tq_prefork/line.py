"""Questions of the parent to its children, and their answers.

A pair of sockets for each child, made before the fork. A frame is its length and a number, four bytes each, and the text;
an answer has the number of its question, so that one which comes too late is not taken for the next.
"""

from __future__ import annotations

import logging
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence

logger = logging.getLogger("tq.pool")

_HEAD = struct.Struct("!II")
LARGEST = 16 * 1024 * 1024
"""Bytes of an answer."""
_CHUNK = 65536


class Line:
    """The parent's end of one child's line. A line that broke is never used again."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._number = 0
        self._read = bytearray()
        self._usable = True

    def fileno(self) -> int:
        """For poll; -1 for a line that is closed or broke."""
        return self._end.fileno() if self._usable else -1

    def ask(self, question: bytes) -> bool:
        """Send a question; False: the child does not read."""
        if not self._usable:
            return False
        self._number = (self._number + 1) % 2**32
        frame = _HEAD.pack(len(question), self._number) + question
        try:
            sent = self._end.send(frame)
        except BlockingIOError:
            return False  # It has as many unread questions as a socket holds.
        except OSError:
            sent = -1
        self._usable = sent == len(frame)
        return self._usable

    def answer(self) -> bytes | None:
        """The answer to the last question, if it is there; reads what has come."""
        try:
            data = self._end.recv(_CHUNK)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        if data == b"":
            self._usable = False
        self._read += data or b""
        return self._next()

    def close(self) -> None:
        """Free the descriptor."""
        self._usable = False
        self._end.close()

    def _next(self) -> bytes | None:
        while len(self._read) >= _HEAD.size:
            length, number = _HEAD.unpack_from(self._read)
            if length > LARGEST:
                self._usable = False
                return None
            if len(self._read) < _HEAD.size + length:
                return None
            text = bytes(self._read[_HEAD.size : _HEAD.size + length])
            del self._read[: _HEAD.size + length]
            if number == self._number:
                return text
        return None


def pair() -> tuple[socket.socket, socket.socket]:
    """The parent's end, and the child's."""
    return socket.socketpair()


def ask_all(lines: Sequence[tuple[int, Line]], question: bytes, timeout: float) -> dict[int, bytes]:
    """Ask each child and collect what is answered in time, by process id."""
    until = time.monotonic() + timeout
    waiting = {line: pid for pid, line in lines if line.ask(question)}
    answers: dict[int, bytes] = {}
    while waiting and (left := until - time.monotonic()) > 0:
        poller = select.poll()
        by_number = {line.fileno(): line for line in waiting if line.fileno() >= 0}
        for number in by_number:
            poller.register(number, select.POLLIN)
        for number, _ in poller.poll(int(left * 1000) + 1):
            line = by_number[number]
            text = line.answer()
            if text is not None:
                answers[waiting[line]] = text
        waiting = {line: pid for line, pid in waiting.items() if pid not in answers and line.fileno() >= 0}
    return answers


def answer_all(end: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    """Answer questions until the line ends; the thread of a child."""
    try:
        while True:
            length, number = _HEAD.unpack(_exactly(end, _HEAD.size))
            question = _exactly(end, length)
            try:
                text = answer(question)
            except Exception:
                logger.exception("a question of the parent could not be answered")
                text = b"{}"
            if len(text) > LARGEST:
                text = b"{}"
            end.sendall(_HEAD.pack(len(text), number) + text)
    except OSError:
        return  # The parent is gone, or has closed its end.


def _exactly(end: socket.socket, count: int) -> bytes:
    read = bytearray()
    while len(read) < count:
        data = end.recv(count - len(read))
        if not data:
            raise OSError("the line ended")
        read += data
    return bytes(read)
