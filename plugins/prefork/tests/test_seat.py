"""A shared seat tells its reader one story at a time."""

from __future__ import annotations

import os
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.contracts.pool import Notebook
from tq.errors import ImproperlyConfigured
from tq_prefork.seat import NAME_LIMIT, Running, SharedSeat

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.integers(-(2**63), 2**63 - 1), finite, finite, finite)
def test_what_is_written_is_read(receipt: int, started: float, soft: float, hard: float) -> None:
    seat = SharedSeat()
    seat.begin(receipt, started, soft, hard)
    assert seat.read() == (receipt, started, soft, hard, 0)
    assert (seat.receipt, seat.started, seat.soft_deadline, seat.hard_deadline) == seat.read()[:4]


@given(st.text().filter(lambda text: len(text.encode(errors="ignore")) <= NAME_LIMIT and text.isprintable()))
def test_any_short_consumer_id_is_read_as_written(name: str) -> None:
    seat = SharedSeat()
    assert seat.consumer_id == ""
    seat.consumer_id = name
    assert seat.consumer_id == name
    seat.consumer_id = "next"
    assert seat.consumer_id == "next"


def test_a_consumer_id_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(ImproperlyConfigured, match="600 bytes.*shorter worker name"):
        SharedSeat().consumer_id = "é" * 300


def test_only_the_first_end_of_a_body_counts() -> None:
    seat = SharedSeat()
    seat.end()
    assert seat.finished == 0
    seat.begin(7, 1.0, 2.0, 3.0)
    seat.end()
    seat.end()
    assert seat.read() == (-1, 0.0, 0.0, 0.0, 1)


def write_for_ever(seat: SharedSeat) -> int:
    """Fork a process that does nothing but write to the seat; its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            number = 0
            while True:
                number += 1
                seat.begin(number, float(number), float(number), float(number))
                seat.consumer_id = str(number % 9 + 1) * (number % 200)
        finally:
            os._exit(1)
    return pid


def is_whole(running: Running) -> bool:
    return running == (running.receipt,) + (float(running.receipt),) * 3 + (0,)


def test_a_reader_in_another_process_never_sees_half_of_a_write() -> None:
    seat = SharedSeat()
    seat.begin(1, 1.0, 1.0, 1.0)
    writer = write_for_ever(seat)
    try:
        seen: list[Running] = []
        names: list[str] = []
        while len({running.receipt for running in seen[-500:]}) < 50 or len(seen) < 20_000:
            seen.append(seat.read())
            names.append(seat.consumer_id)
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    assert all(map(is_whole, seen))
    assert all(len(set(name)) <= 1 for name in names)


def test_what_a_killed_writer_leaves_behind_is_whole() -> None:
    for _ in range(30):
        seat = SharedSeat()
        seat.begin(1, 1.0, 1.0, 1.0)
        writer = write_for_ever(seat)
        while seat.receipt == 1:
            time.sleep(0.0005)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        assert is_whole(seat.read())
        assert len(set(seat.consumer_id)) <= 1


def test_the_parent_sees_when_the_engine_came_round() -> None:
    seat = SharedSeat()
    assert seat.came_round == 0
    before = time.monotonic()
    seat.come_round()
    assert before - 0.002 <= seat.came_round <= time.monotonic()
    assert seat.receipt == -1


def test_a_note_of_any_size_is_read_whole_by_the_parent_of_a_child_that_was_killed() -> None:
    for data in (b"", b"short", os.urandom(3_000_000), b"shorter"):
        seat = SharedSeat()
        pid = os.fork()
        if pid == 0:
            try:
                seat.note(b"x" * 100)
                seat.note(data)
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        os.waitpid(pid, 0)
        assert seat.noted == data


def test_a_seat_has_no_note_at_first_and_can_forget_one() -> None:
    seat = SharedSeat()
    assert isinstance(seat, Notebook)
    assert seat.noted == b""
    seat.note(b"something")
    seat.note(b"")
    assert seat.noted == b""


def test_where_there_is_no_file_in_memory_another_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    seat = SharedSeat()
    seat.note(b"something")
    assert seat.noted == b"something"


def test_a_note_that_is_read_while_it_changes_is_one_of_them_whole() -> None:
    seat, size = SharedSeat(), 2_000_000
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(300):
                seat.note(bytes([number % 251]) * size)
        finally:
            os._exit(0)
    torn = 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        data = seat.noted
        torn += data != data[:1] * size and data != b""
    assert torn == 0
    assert seat.noted == bytes([299 % 251]) * size
