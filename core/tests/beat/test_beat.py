"""The loop, on a clock that the tests turn: what is sent when, and what several beats do together."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tq.beat.beat import Beat
from tq.beat.entries import entry_of
from tq.beat.memory import MemoryScheduleStore
from tq.contracts.schedules import Advance, Entry, Row, State
from tq.errors import BackendUnavailable, BrokerUnavailable

START = 1_780_000_000.0
LEASE = 10.0


class World:
    """A clock, a store, and what the broker of all beats got."""

    def __init__(self) -> None:
        self.now = START
        self.skew = 0.0
        self.sent: list[tuple[str, str, float]] = []
        self.running: set[str] = set()
        self.unique = True
        self.away = False
        self.store_away = False
        self.remembers: float | None = 86400.0
        self.numbers = itertools.count()
        self.beats: list[Beat] = []
        self.store = Store(self)

    def clock(self) -> float:
        return self.now + self.skew

    def monotonic(self) -> float:
        return self.now

    def beat(self, **entries: dict[str, Any]) -> Beat:
        made = {
            name: entry_of(name, {"task": "t", **given}, origin="config") for name, given in entries.items()
        }
        beat = Beat(
            Store(self),
            self,
            made,
            owner=f"beat {next(self.numbers)}",
            zone=dt.UTC,
            lease=LEASE,
            clock=self.clock,
            monotonic=self.monotonic,
        )
        self.beats.append(beat)
        return beat

    def run(self, beat: Beat, seconds: float) -> None:
        """Let one beat work for a time that passes at once."""
        self.run_all([beat], seconds)

    def run_all(self, beats: Sequence[Beat], seconds: float) -> None:
        end = self.now + seconds
        due = {beat: self.now for beat in beats}
        while True:
            beat = min(due, key=lambda b: due[b])
            if due[beat] > end:
                break
            self.now = max(self.now, due[beat])
            try:
                pause = beat.tick()
            except (BrokerUnavailable, BackendUnavailable):
                pause = 1.0
            due[beat] = self.now + max(pause, 0.001)
        self.now = end

    # the sender of all beats

    def send(self, entry: Entry, task_id: str, due: float) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        if entry.task == "wrong":
            raise TypeError("wrong arguments")
        if self.unique and any(task_id == known for _, known, _ in self.sent):
            return
        self.sent.append((entry.name, task_id, due))

    def unfinished(self, task_ids: Sequence[str]) -> set[str]:
        return self.running & set(task_ids)

    @property
    def dues(self) -> list[float]:
        """Due times that were sent, counted from the start."""
        return [round(due - START, 3) for _, _, due in self.sent]


class Store(MemoryScheduleStore):
    """The memory store by the world's clock."""

    def __init__(self, world: World) -> None:
        super().__init__("memory://beat")
        self.world = world

    def lead(self, owner: str, lease: float) -> Any:
        if self.world.store_away:
            raise BackendUnavailable("away")
        with mock.patch("time.monotonic", self.world.monotonic):
            return super().lead(owner, lease)

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        if self.world.store_away:
            raise BackendUnavailable("away")
        return super().advance(batch, fence=fence)


@pytest.fixture
def world() -> World:
    return World()


def row(world: World, name: str = "e") -> Row:
    return world.store.read([name])[0]


def change(world: World, name: str = "e", **changes: Any) -> None:
    known = row(world, name)
    entry = msgspec.structs.replace(known.entry, **changes)
    assert world.store.save([Row(entry, known.state, known.revision)]) == [True]


# -- the ordinary -------------------------------------------------------------------------------------------


def test_an_interval_is_sent_on_a_grid_that_does_not_drift(world: World) -> None:
    world.run(world.beat(e={"schedule": 2.5}), 10.1)
    assert world.dues == [2.5, 5.0, 7.5, 10.0]
    assert row(world).state.sent == 4


def test_a_new_start_goes_on_where_the_last_one_ended(world: World) -> None:
    world.run(world.beat(e={"schedule": 10.0}), 12)
    world.run(world.beat(e={"schedule": 10.0}), 20)
    assert world.dues == [10.0, 20.0, 30.0]


def test_another_schedule_begins_anew_and_what_is_gone_from_the_code_is_sent_no_more(world: World) -> None:
    first = world.beat(e={"schedule": 10.0}, gone={"schedule": 10.0})
    world.run(first, 1)
    first.stop()
    first.run()
    world.run(world.beat(e={"schedule": 4.0}), 5)
    assert world.dues == [5.0]
    assert [r.entry.name for r in world.store.read()] == ["e"]


def test_changes_are_seen_while_it_runs(world: World) -> None:
    beat = world.beat(e={"schedule": 5.0})
    world.run(beat, 6)
    change(world, enabled=False)
    world.run(beat, 20)
    assert world.dues == [5.0]
    world.store.save([Row(Entry(name="new", task="t", schedule={"type": "interval", "every": 3.0}))])
    world.run(beat, 5)
    assert [name for name, _, _ in world.sent] == ["e", "new"]


def test_what_was_paused_by_hand_stays_paused_over_starts(world: World) -> None:
    world.run(world.beat(e={"schedule": 5.0}), 1)
    change(world, enabled=False)
    world.run(world.beat(e={"schedule": 5.0}), 20)
    assert world.dues == []


def test_a_wrong_entry_stops_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    beat = world.beat(bad={"task": "wrong", "schedule": 1.0}, e={"schedule": 1.0})
    world.store.save([Row(Entry(name="worse", task="t", schedule={"type": "moon"}))])
    world.run(beat, 3.5)
    assert [name for name, _, _ in world.sent] == ["e"] * 3
    assert "bad could not be sent" in caplog.text
    assert caplog.text.count("the entry worse is left out") == 1


def test_due_times_are_those_of_the_entrys_zone(world: World) -> None:
    # START is 2026-05-28 20:26:40 UTC: 05:26:40 of the next day in Tokyo.
    beat = world.beat(e={"schedule": "30 5 * * *", "zone": "Asia/Tokyo"})
    world.run(beat, 300)
    assert world.dues == [200.0]


# -- misfires -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"misfire": "skip"}, [10.0, 110.0]),
        ({"misfire": "once"}, [10.0, 100.0, 110.0]),
        ({"misfire": "catch-up", "catch_up": 3}, [10.0, 80.0, 90.0, 100.0, 110.0]),
        (
            {"misfire": "skip", "grace": 1000},
            [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0],
        ),
    ],
)
def test_an_outage_of_all_beats_is_a_misfire(
    world: World, policy: dict[str, Any], expected: list[float]
) -> None:
    entry = {"schedule": 10.0, **policy}
    world.run(world.beat(e=entry), 11)
    world.now = START + 105
    world.run(world.beat(e=entry), 10)
    assert world.dues == expected


def test_a_delay_within_the_grace_is_none(world: World) -> None:
    entry = {"schedule": 5.0, "misfire": "skip"}
    world.run(world.beat(e=entry), 6)
    world.now = START + 26
    world.run(world.beat(e=entry), 1)
    assert world.dues == [5.0, 10.0, 15.0, 20.0, 25.0]


# -- overlap ------------------------------------------------------------------------------------------------


def test_overlap_skip_leaves_out_what_is_due_while_the_run_before_goes_on(world: World) -> None:
    beat = world.beat(e={"schedule": 5.0, "overlap": "skip"})
    world.run(beat, 6)
    world.running = {world.sent[0][1]}
    world.run(beat, 10)
    world.running = set()
    world.run(beat, 5)
    assert world.dues == [5.0, 20.0]


def test_overlap_queue_sends_one_after_the_other(world: World) -> None:
    beat = world.beat(e={"schedule": 5.0, "overlap": "queue"})
    world.run(beat, 6)
    world.running = {world.sent[0][1]}
    world.run(beat, 10)
    assert world.dues == [5.0]
    assert row(world).state.queued == [START + 10, START + 15]
    world.running = set()
    world.run(beat, 1.5)
    assert world.dues[:2] == [5.0, 10.0]
    world.run(beat, 2)
    assert world.dues == [5.0, 10.0, 15.0]
    assert row(world).state.queued == []


def test_overlap_queue_has_an_end(world: World) -> None:
    beat = world.beat(e={"schedule": 1.0, "overlap": "queue", "catch_up": 3})
    world.run(beat, 1.5)
    world.running = {world.sent[0][1]}
    world.run(beat, 20)
    assert row(world).state.queued == [START + 2, START + 3, START + 4]


def test_a_run_whose_result_would_have_expired_holds_nobody_up(world: World) -> None:
    world.remembers = 30.0
    beat = world.beat(e={"schedule": 20.0, "overlap": "skip"})
    world.run(beat, 21)
    world.running = {world.sent[0][1]}
    world.run(beat, 20)
    assert world.dues == [20.0]
    world.run(beat, 20)
    assert world.dues == [20.0, 60.0]


# -- several beats ------------------------------------------------------------------------------------------


def test_of_many_beats_one_sends(world: World) -> None:
    world.run_all([world.beat(e={"schedule": 1.0}) for _ in range(5)], 30.5)
    assert world.dues == [float(n) for n in range(1, 31)]
    assert sum(beat.leads for beat in world.beats) == 1


def test_after_a_death_the_next_one_sends_what_was_due_within_the_lease(world: World) -> None:
    first, second = world.beat(e={"schedule": 1.0}), world.beat(e={"schedule": 1.0})
    world.run_all([first, second], 5.5)
    began = world.now
    while len(world.sent) == 5:
        world.run(second, 0.1)
    assert world.now - began <= LEASE + 0.2
    world.run(second, 5)
    assert world.dues == [float(n) for n in range(1, len(world.dues) + 1)]


def test_who_ends_in_peace_is_followed_at_once(world: World) -> None:
    first, second = world.beat(e={"schedule": 1.0}), world.beat(e={"schedule": 1.0})
    world.run_all([first, second], 3.5)
    first.stop()
    first.run()
    world.run(second, LEASE / 3 + 0.1)
    assert second.leads


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_deaths_pauses_and_outages_in_any_order_lose_and_double_nothing(data: st.DataObject) -> None:
    MemoryScheduleStore.reset()
    world = World()
    entry = {"schedule": 1.0, "grace": 1e6}
    living = [world.beat(e=entry), world.beat(e=entry)]
    for _ in range(data.draw(st.integers(1, 12))):
        act = data.draw(st.sampled_from(["run", "pause", "kill", "broker", "store"]))
        seconds = data.draw(st.floats(0.1, 15))
        world.away, world.store_away = act == "broker", act == "store"
        if act == "kill":
            living = [living[1], world.beat(e=entry)]
        awake = [living[data.draw(st.integers(0, 1))]] if act == "pause" else living
        world.run_all(awake, seconds)
    world.away = world.store_away = False
    world.run_all(living, 3 * LEASE)
    first = START + (world.dues[0] if world.dues else 0)
    assert world.dues == [round(first - START + n, 3) for n in range(len(world.dues))]
    assert START + world.dues[-1] > world.now - 1.5


def test_a_leader_that_dies_between_sending_and_writing_doubles_nothing(world: World) -> None:
    first, second = world.beat(e={"schedule": 5.0}), world.beat(e={"schedule": 5.0})
    world.run(first, 4.9)
    first._write = lambda done: None  # type: ignore[method-assign]
    world.run(first, 0.2)
    assert world.dues == [5.0]
    world.run(second, 20)
    assert world.dues == [5.0, 10.0, 15.0, 20.0, 25.0]


def test_where_the_broker_takes_an_id_twice_a_late_leader_asks_before_it_sends(world: World) -> None:
    world.unique = False
    first, second = world.beat(e={"schedule": 5.0}), world.beat(e={"schedule": 5.0})
    world.run(first, 4.9)
    first._next_lead = world.now + 1000  # it believes that it has just looked
    world.now += LEASE + 5
    world.run(second, 1)
    world.run(first, 1)
    assert world.dues == sorted(set(world.dues))
    assert second.leads and not first.leads


# -- outages, clocks, stores --------------------------------------------------------------------------------


def test_a_broker_that_is_away_gets_everything_when_it_is_back(world: World) -> None:
    beat = world.beat(e={"schedule": 5.0}, f={"schedule": 5.0})
    world.away = True
    world.run(beat, 16)
    world.away = False
    world.run(beat, 6)
    assert sorted(world.dues) == [5.0, 5.0, 10.0, 10.0, 15.0, 15.0, 20.0, 20.0]


def test_a_broker_that_goes_away_in_the_middle_gets_only_the_rest(world: World) -> None:
    world.unique = False
    entry = {"schedule": 5.0, "grace": 1000}
    world.run(world.beat(e=entry), 6)
    world.now += 20
    plain = world.send

    def send(made: Entry, task_id: str, due: float) -> None:
        world.away = len(world.sent) == 3
        plain(made, task_id, due)

    world.send = send  # type: ignore[method-assign, assignment]
    beat = world.beat(e=entry)
    world.run(beat, LEASE)
    world.send, world.away = plain, False  # type: ignore[method-assign]
    world.run(beat, 5)
    assert world.dues == [5.0 * n for n in range(1, len(world.dues) + 1)]
    assert len(world.dues) > 6


def test_a_clock_that_was_far_ahead_for_a_while_stops_nothing(world: World) -> None:
    beat = world.beat(e={"schedule": 10.0})
    world.run(beat, 11)
    world.skew = 86400.0 * 30
    world.run(beat, 11)
    world.skew = 0.0
    before = len(world.sent)
    world.run(beat, 31)
    assert len(world.sent) - before == 3
    assert len({task_id for _, task_id, _ in world.sent}) == len(world.sent)
    assert row(world).state.series == 1


def test_a_clock_that_goes_back_a_little_sends_nothing_twice(world: World) -> None:
    beat = world.beat(e={"schedule": "* * * * *"})
    world.run(beat, 21)
    world.skew = -5.0
    world.unique = False
    world.run(beat, 70)
    assert world.dues == [20.0, 80.0]


def test_an_emptied_store_gets_the_entries_of_the_code_again(world: World) -> None:
    beat = world.beat(e={"schedule": 5.0})
    world.run(beat, 1)
    change(world, catch_up=7)
    change(world, catch_up=8)
    world.run(beat, 2)
    MemoryScheduleStore.reset()
    world.run(beat, 20)
    assert [r.entry.name for r in world.store.read()] == ["e"]
    assert len(world.sent) >= 3


def test_an_unknown_state_is_written_before_anything_is_sent(world: World) -> None:
    world.run(world.beat(e={"schedule": 100.0}), 1)
    assert row(world).state == State(next_due=START + 100)


def test_a_tick_among_ten_thousand_entries_touches_only_what_is_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = world.beat(**{f"e{n}": {"schedule": 3600.0 + n} for n in range(10_000)})
    world.run(beat, 0.5)
    touched: list[int] = []
    plain = Store.advance

    def advance(self: Store, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        touched.append(len(batch))
        return plain(self, batch, fence=fence)

    monkeypatch.setattr(Store, "advance", advance)
    monkeypatch.setattr(Store, "read", lambda self, names=None: pytest.fail("it reads everything again"))
    world.now = START + 3599.0
    beat._next_read = world.now + 60
    world.run(beat, 4.5)
    assert sum(touched) == 4
    assert world.dues == [3600.0, 3601.0, 3602.0, 3603.0]
