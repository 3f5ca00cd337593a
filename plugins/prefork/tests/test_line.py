"""Questions to children: each answers for itself, and who does not answer holds up nobody."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefork_workshop import Job, Workshop, at_work, ready, until

from tq_prefork.line import Line, answer_all, ask_all, pair


@pytest.fixture
def lines() -> Iterator[list[tuple[int, Line]]]:
    """Three children of numbers 1 to 3: an honest one, one that never reads, and one that is gone."""
    made = [pair() for _ in range(3)]
    thread = threading.Thread(target=answer_all, args=(made[0][1], lambda text: text * 2))
    thread.start()
    made[2][1].close()
    yield [(number, Line(ours)) for number, (ours, _) in enumerate(made, 1)]
    for ours, theirs in made:
        ours.close()
        theirs.close()
    thread.join(5)


def test_those_who_answer_in_time_are_heard(lines: list[tuple[int, Line]]) -> None:
    assert ask_all(lines, b"ab", 0.2) == {1: b"abab"}
    assert ask_all(lines, b"c", 0.2) == {1: b"cc"}


def test_a_child_that_reads_nothing_is_not_waited_for_when_its_line_is_full(
    lines: list[tuple[int, Line]],
) -> None:
    _, silent = lines[1]
    asked = 0
    while silent.ask(b"x" * 1000):
        asked += 1
        assert asked < 100_000
    assert ask_all(lines, b"c", 5.0) == {1: b"cc"}


def test_a_large_answer_comes_whole() -> None:
    ours, theirs = pair()
    thread = threading.Thread(target=answer_all, args=(theirs, lambda text: text * 3_000_000))
    thread.start()
    assert ask_all([(1, Line(ours))], b"ab", 30.0) == {1: b"ab" * 3_000_000}
    ours.close()
    thread.join(5)
    theirs.close()


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next() -> None:
    ours, theirs = pair()
    line, gate = Line(ours), threading.Event()

    def slowly(text: bytes) -> bytes:
        if text == b"first":
            gate.wait(30)
        return text

    thread = threading.Thread(target=answer_all, args=(theirs, slowly))
    thread.start()
    assert ask_all([(1, line)], b"first", 0.05) == {}
    gate.set()
    assert ask_all([(1, line)], b"second", 30.0) == {1: b"second"}
    ours.close()
    thread.join(5)
    theirs.close()


def test_each_child_is_asked() -> None:
    with at_work(Workshop(concurrency=2)) as running:
        until(lambda: ready(running.pool) == 2)
        answers = running.pool.ask(b"who?", 30.0)
        assert answers == {pid: b"%d: who?" % pid for pid in running.pool.pids()}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see that it is stopped")
def test_a_child_that_is_stopped_is_left_out() -> None:
    with at_work(Workshop(concurrency=2)) as running:
        until(lambda: ready(running.pool) == 2)
        stopped, other = running.pool.pids()
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: " T " in Path(f"/proc/{stopped}/stat").read_text())
        try:
            assert running.pool.ask(b"who?", 0.3) == {other: b"%d: who?" % other}
        finally:
            os.kill(stopped, signal.SIGCONT)


def test_a_renewal_replaces_each_child_when_its_body_has_ended() -> None:
    gate_out, gate_in = os.pipe()
    workshop = Workshop(Job(lambda: os.read(gate_out, 1)), concurrency=2)
    with at_work(workshop) as running:
        until(lambda: ready(running.pool) == 2)
        before = set(running.pool.pids())
        workshop.send(0)
        until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
        assert running.pool.renew()
        until(lambda: len(before & set(running.pool.pids())) == 1 and len(running.pool.pids()) == 2)
        os.write(gate_in, b".")
        until(lambda: not before & set(running.pool.pids()) and len(running.pool.pids()) == 2)
        assert [receipt for receipt, _ in workshop.done()] == [0]
        assert {report.what for report in workshop.reports} == {"ended"}
    os.close(gate_out)
    os.close(gate_in)
