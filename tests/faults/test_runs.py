"""The counting is right, or the table says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.runs import IN_HAND, Fault, Tally, read_runs, tally


def count(*lines: str, sent: Sequence[str] = ("a",), faults: Sequence[Fault] = ()) -> Tally:
    return tally(read_runs(lines), sent, faults, known_after=1.0)


def test_a_task_that_ended_once_is_neither_lost_nor_doubled() -> None:
    found = count("start a 1 7 10.0", "end a 1 7 10.5")
    assert (found.sent, found.executed, found.lost, found.doubled, found.repeated) == (1, 1, (), (), ())
    assert found.recovery is None


def test_a_task_that_never_ended_is_lost() -> None:
    assert count("start a 1 7 10.0").lost == ("a",)
    assert count(sent=["b"]).lost == ("b",)


def test_a_second_end_without_a_fault_is_doubled() -> None:
    found = count("start a 1 7 10.0", "end a 1 7 10.5", "start a 1 8 11.0", "end a 1 8 11.5")
    assert (found.doubled, found.repeated) == (("a",), ())


def test_a_second_end_is_excused_by_a_fault_that_met_the_first_run_and_by_no_other() -> None:
    lines = ("start a 1 7 10.0", "end a 1 7 10.5", "start a 1 8 11.0", "end a 1 8 11.5")
    for moment, excused in (
        (10.2, True),
        (10.5 + IN_HAND / 2, True),
        (10.5 + 2 * IN_HAND, False),
        (9.0, False),
    ):
        found = count(*lines, faults=[Fault(moment, moment)])
        assert bool(found.repeated) == excused, moment
        assert bool(found.doubled) != excused, moment


def test_two_needless_runs_are_not_excused_by_one_fault() -> None:
    lines = [
        f"{what} a 1 {pid} {pid}.{part}" for pid in (1, 2, 3) for what, part in (("start", 0), ("end", 5))
    ]
    assert count(*lines, faults=[Fault(1.2, 1.2)]).doubled == ("a",)


def test_an_interrupted_run_recovers_with_its_next_start() -> None:
    lines = ("start a 1 7 10.0", "start a 2 8 14.5", "end a 2 8 15.0")
    found = count(*lines, faults=[Fault(12.0, 12.0)])
    assert len(found.interrupted) == 1
    assert (found.recovery, found.uncharged, found.lost) == (2.5, (), ())


def test_an_interrupted_run_that_the_broker_knew_of_must_count_as_an_attempt() -> None:
    lines = ("start a 1 7 10.0", "start a 1 8 14.5", "end a 1 8 15.0")
    assert len(count(*lines, faults=[Fault(12.0, 12.0)]).uncharged) == 1
    assert count(*lines, faults=[Fault(10.3, 10.3)]).uncharged == ()
