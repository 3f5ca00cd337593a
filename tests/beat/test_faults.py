"""SIGKILL and SIGSTOP of beats over SQLite and Redis: no tick is lost, none is sent twice."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beat.clock import NAMES
from tests.processes import Program, eventually
from tq.plugins import registry
from tq.records import Message, Settlement

LEASE = 2.0
EVERY = {"one": 1.0, "two": 1.0, "often": 0.25}


class Beats:
    """Starts beats of the app."""

    def __init__(self, url: str, *options: str) -> None:
        self._command = [sys.executable, "-m", "tq", "-A", "tests.beat.clock", "-b", url]
        self._options = options
        self.all: list[Program] = []

    def start(self) -> Program:
        command = [*self._command, "--result-backend", "disabled://", "beat", "-l", "INFO", *self._options]
        self.all.append(Program(command, {"TQ_BEAT_LEASE": str(LEASE)}))
        return self.all[-1]

    def leader(self) -> Program:
        """Wait for one that leads and sends."""

        def found() -> Program | None:
            # Who led last: a beat says so when it begins and when it ends.
            return next((beat for beat in self.all if beat.running and leads(beat)), None)

        beat = eventually(found, "a beat that leads")
        assert beat is not None
        seen = beat.output().count(": sent ")
        beat.wait_for(": sent ", times=seen + 5)
        return beat

    def close(self) -> None:
        for beat in self.all:
            print(f"--- {beat.name}\n{beat.tail(15)}")
            beat.close()


def leads(beat: Program) -> bool:
    output = beat.output()
    return output.count(" leads\n") > output.count("leads no more")


@pytest.fixture
def beats(url: str) -> Iterator[Beats]:
    made = Beats(url)
    yield made
    made.close()


def messages(url: str) -> list[Message]:
    """All that lies in the queue."""
    broker = registry.load_broker(url)
    consumer = broker.consumer(["clock"], "reader", lease=60.0)
    found: list[Message] = []
    while batch := consumer.receive(500, 0.2):
        consumer.settle([Settlement(delivery) for delivery in batch])
        found += [d.message for d in batch if isinstance(d.message, Message)]
    consumer.close()
    broker.close()
    return found


def check(url: str, *, seconds: float) -> None:
    """Every due time of every entry once, from the first to the last."""
    found = messages(url)
    ids = [message.headers["id"] for message in found]
    assert len(ids) == len(set(ids))
    for name in NAMES:
        dues = sorted(
            dt.datetime.fromisoformat(message.headers["due"]).timestamp()
            for message in found
            if message.headers["periodic_task_name"] == name
        )
        steps = [round(after - before, 5) for before, after in itertools.pairwise(dues)]
        assert set(steps) == {EVERY[name]}, f"{name}: {steps}"
        assert dues[-1] - dues[0] > seconds, name


def test_killed_leaders_are_followed_and_no_tick_is_lost_or_doubled(beats: Beats, url: str) -> None:
    began = time.monotonic()
    beats.start()
    beats.start()
    for _ in range(3):
        leader = beats.leader()
        leader.kill()
        beats.start()
    beats.leader()
    lasted = time.monotonic() - began
    for beat in beats.all:
        if beat.running:
            # One that has only just been started does not know how to end yet.
            beat.wait_for("[periodic tasks of the code]")
            beat.stop()
    check(url, seconds=lasted - LEASE - 5)


def freeze(beat: Program, url: str) -> None:
    """Stop it, but not inside a transaction of SQLite: whoever sleeps there keeps everybody from writing."""
    while True:
        beat.send(signal.SIGSTOP)
        if not is_locked(url):
            return
        beat.send(signal.SIGCONT)
        time.sleep(0.01)


def is_locked(url: str) -> bool:
    """Whether somebody holds the write lock of the embedded store."""
    if not url.startswith("sqlite:///"):
        return False
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.1)) as conn:
        try:
            conn.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        conn.rollback()
    return False


def test_leaders_that_sleep_through_their_lease_wake_up_and_change_nothing(beats: Beats, url: str) -> None:
    began = time.monotonic()
    beats.start()
    beats.start()
    for _ in range(3):
        leader = beats.leader()
        freeze(leader, url)
        other = next(beat for beat in beats.all if beat is not leader)
        eventually(lambda beat=other: leads(beat), "the other one leads")  # type: ignore[misc]
        leader.send(signal.SIGCONT)
        eventually(lambda beat=leader: not leads(beat), "it sees that it leads no more")  # type: ignore[misc]
    lasted = time.monotonic() - began
    for beat in beats.all:
        beat.stop()
    check(url, seconds=lasted - LEASE - 5)


def test_a_leader_that_ends_in_peace_hands_over(beats: Beats, url: str) -> None:
    beats.start()
    beats.start()
    beats.leader().stop()
    beats.leader().stop(signal.SIGINT)
    check(url, seconds=0.9)


def test_a_schedule_in_a_file_survives_its_beats_as_well(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tq.db"
    beats = Beats(url, "-s", str(tmp_path / "schedule.json"))
    try:
        beats.start()
        beats.start()
        beats.leader().kill()
        beats.leader().stop()
    finally:
        beats.close()
    check(url, seconds=0.9)
