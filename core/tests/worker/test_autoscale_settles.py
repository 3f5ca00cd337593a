"""The autoscaler in a simulated shop: tasks come at random, seats serve them, and the size must come to rest."""

from __future__ import annotations

import random
from collections import deque
from itertools import pairwise

import pytest

from tq.worker.autoscale import KEEP, LONGEST, Autoscaler, Load

STEP = 0.05
"""Seconds of the simulation."""


class Shop:
    """Seats that serve a queue. A new seat takes a second to come up; one that leaves finishes its task."""

    def __init__(self, scaler: Autoscaler, *, seed: int = 1, others: int = 0) -> None:
        self.scaler = scaler
        self.others = others
        self.now = 0.0
        self.waiting: deque[float] = deque()
        self.ends: list[float] = []
        self.finished = 0
        self.coming: list[float] = []
        self.seats = scaler.size
        self.sizes: list[tuple[float, int]] = []
        self.waits: list[float] = []
        self._random = random.Random(seed)
        self._tick = 0.0

    def run(self, seconds: float, rate: float, run_time: float, *, steady: bool = False) -> None:
        """Let tasks come, `rate` a second."""
        until = self.now + seconds
        while self.now < until:
            self.now += STEP
            for _ in range(self._arrivals(rate)):
                self.waiting.append(self.now)
            self.finished += sum(end <= self.now for end in self.ends)
            self.ends = [end for end in self.ends if end > self.now]
            self.seats += sum(at <= self.now for at in self.coming)
            self.coming = [at for at in self.coming if at > self.now]
            while self.waiting and len(self.ends) < self.seats:
                self.waits.append(self.now - self.waiting.popleft())
                takes = run_time if steady else self._random.expovariate(1 / run_time)
                self.ends.append(self.now + takes)
            if self.now >= self._tick:
                self._tick = self.now + 1.0
                self._decide()

    def _decide(self) -> None:
        age = self.now - self.waiting[0] if self.waiting else 0.0
        busy = len(self.ends)
        load = Load(self.now, busy, self.finished, len(self.waiting), self.seats + self.others, age)
        size = self.scaler.decide(load)
        if size > self.seats + len(self.coming):
            self.coming += [self.now + 1.0] * (size - self.seats - len(self.coming))
        elif size < self.seats:
            self.seats, self.coming = size, []
        self.sizes.append((self.now, size))

    def _arrivals(self, rate: float) -> int:
        count, left = 0, STEP
        while rate > 0 and (left := left - self._random.expovariate(rate)) > 0:
            count += 1
        return count

    def changes(self, since: float) -> list[int]:
        """The sizes from then on, each change once."""
        sizes = [size for at, size in self.sizes if at >= since]
        return [size for at, size in enumerate(sizes) if at == 0 or size != sizes[at - 1]]


def turns(sizes: list[int]) -> int:
    """How often a row of sizes changes its direction."""
    ways = [b > a for a, b in pairwise(sizes)]
    return sum(a != b for a, b in pairwise(ways))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("rate", "run_time"),
    [(8.0, 0.5), (40.0, 0.1), (200.0, 0.02), (1.0, 4.0), (0.5, 6.0)],
)
def test_a_constant_load_comes_to_rest_at_what_it_needs(rate: float, run_time: float, seed: int) -> None:
    shop = Shop(Autoscaler(30, 1), seed=seed)
    shop.run(600, rate, run_time)
    start = shop.now
    shop.run(1200, rate, run_time)
    needed = rate * run_time
    sizes = [size for at, size in shop.sizes if at >= start]
    assert needed <= sum(sizes) / len(sizes) <= 3 * needed + 3
    assert turns(shop.changes(start)) <= 6, shop.changes(start)
    late = [wait for wait in shop.waits[len(shop.waits) // 3 :] if wait > 10]
    assert len(late) <= len(shop.waits) / 50


def test_a_burst_is_met_within_seconds_and_left_once() -> None:
    shop = Shop(Autoscaler(20, 1), seed=3)
    shop.run(60, 0.5, 0.2)
    shop.run(60, 20.0, 0.5)
    assert max(size for _, size in shop.sizes) >= 10
    assert min(at for at, size in shop.sizes if size >= 10) < 60 + 30
    quiet = shop.now
    shop.run(300, 0.0, 0.5)
    sizes = shop.changes(quiet)
    assert sizes == sorted(sizes, reverse=True), "it only shrinks"
    assert sizes[-1] == 1


def test_it_keeps_its_bounds() -> None:
    shop = Shop(Autoscaler(4, 2))
    shop.run(120, 50.0, 1.0)
    shop.run(600, 0.0, 1.0)
    sizes = {size for _, size in shop.sizes}
    assert (min(sizes), max(sizes)) == (2, 4)


def test_it_does_not_grow_for_what_other_workers_will_take() -> None:
    alone, among = Autoscaler(50, 4), Autoscaler(50, 4)
    for second in range(1, 6):
        alone.decide(Load(float(second), 4, 4 * second, ready=40, consumers=4))
        among.decide(Load(float(second), 4, 4 * second, ready=40, consumers=40))
    assert alone.size > among.size


def test_many_short_tasks_that_are_gone_at_once_need_no_more_seats() -> None:
    scaler = Autoscaler(50, 2)
    for second in range(1, 60):
        scaler.decide(Load(float(second), 2, 2000 * second, ready=100, consumers=2))
    assert scaler.size == 2


def test_one_old_message_is_reason_enough_to_grow() -> None:
    scaler = Autoscaler(5, 1)
    scaler.decide(Load(1.0, 1, 0, ready=1, consumers=1, age=0.0))
    scaler = Autoscaler(5, 1)
    for second in range(1, 4):
        scaler.decide(Load(float(second), 1, 0, ready=1, consumers=1, age=30.0))
    assert scaler.size > 1


def test_without_a_word_of_the_queues_taken_seats_decide() -> None:
    scaler = Autoscaler(3, 1)
    for second in range(1, 30):
        scaler.decide(Load(float(second), scaler.size, second))
    assert scaler.size == 3
    for second in range(30, 30 + int(2 * KEEP)):
        scaler.decide(Load(float(second), 0, 100))
    assert scaler.size == 1


def test_a_shrink_that_was_wrong_is_not_repeated_soon() -> None:
    """A load that comes and goes with just the wrong period makes it wait, and not swing for ever."""
    shop = Shop(Autoscaler(10, 1), seed=5)
    for _ in range(30):
        shop.run(20, 8.0, 0.5, steady=True)
        shop.run(KEEP + 5, 0.0, 0.5)
    first = turns(shop.changes(0.0)[: len(shop.changes(0.0)) // 2])
    late = turns(shop.changes(shop.now - LONGEST))
    assert late < first or late <= 2


def test_bounds_are_changed_while_it_runs() -> None:
    scaler = Autoscaler(10, 1)
    assert scaler.update(4, 2) == (4, 2)
    assert scaler.decide(Load(1.0, 0, 0)) == 2
    assert scaler.update(None, 3) == (4, 3)
    assert scaler.info() == {"max": 4, "min": 3, "current": 2, "qty": 0}
    with pytest.raises(ValueError, match="max=1 is less than min=3"):
        scaler.update(1, None)
