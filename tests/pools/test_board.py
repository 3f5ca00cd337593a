"""What a pool runs, noted where another process sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.pools.workshop import Workshop, until
from tq.contracts.pool import Pool, StopMode
from tq.testing import PoolConformance
from tq.worker.board import Board, NotedSeat, keeping
from tq.worker.seat import LocalSeat
from tq_asyncio import AsyncioPool
from tq_threads import ThreadsPool


class TestThreadsWithABoard(PoolConformance):
    """A pool keeps all rules when its engine takes notes."""

    pool_class: ClassVar[type[Pool]] = keeping(Board(64), ThreadsPool)


class TestAsyncioWithABoard(PoolConformance):
    """The same, of one that ends bodies."""

    pool_class: ClassVar[type[Pool]] = keeping(Board(64), AsyncioPool)


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board(3)
    yield made
    made.close()


def test_a_new_board_says_nothing(board: Board) -> None:
    assert (board.consumer_id, board.running) == ("", ())


def test_a_seat_notes_what_runs_and_who_holds_it(board: Board) -> None:
    first, third = (NotedSeat(LocalSeat(), board, number) for number in (0, 2))
    for seat in (first, third):
        seat.consumer_id = "größe@host:1"
    first.begin(0, 1.0, 2.0, 3.0)
    third.begin(7, 1.0, 0.0, 0.0)
    assert (board.consumer_id, board.running) == ("größe@host:1", (0, 7))
    assert (first.receipt, first.started, first.hard_deadline) == (0, 1.0, 3.0)
    first.end()
    first.end()
    assert (board.running, first.finished, first.receipt) == ((7,), 1, -1)


def test_a_consumer_takes_the_place_of_a_longer_name(board: Board) -> None:
    board.consumer_id = "a long name"
    board.consumer_id = "short"
    assert board.consumer_id == "short"


def test_the_notes_of_a_process_outlive_it(board: Board) -> None:
    program = f"""
import os, signal
from tq.worker.board import Board
board = Board(3, {board.descriptor})
board.consumer_id = "gone"
board.note(1, 42)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], pass_fds=(board.descriptor,), check=False)
    assert ended.returncode < 0
    assert (board.consumer_id, board.running) == ("gone", (42,))


def test_a_closed_board_leaves_no_descriptor() -> None:
    board = Board(1)
    board.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(board.descriptor)


def test_a_pool_with_a_board_shows_what_it_runs(board: Board) -> None:
    release = threading.Event()
    workshop = Workshop(lambda: release.wait(30), lambda: release.wait(30), concurrency=2)
    pool = keeping(board, ThreadsPool)(workshop)
    thread = threading.Thread(target=pool.run, daemon=True)
    thread.start()
    until(lambda: sorted(board.running) == [0, 1])
    assert board.consumer_id == "consumer"
    release.set()
    until(lambda: board.running == ())
    pool.stop(StopMode.WARM)
    thread.join(20)
    assert not thread.is_alive()
    assert type(pool).__name__ == "ThreadsPool"
