"""The model: any sequence of operations keeps each message in exactly one place."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tq.contracts.broker import Broker, Cap, Consumer
from tq.errors import BrokerUnavailable, LeaseLost
from tq.records import Action, Delivery
from tq.testing.broker_kit import BrokerKit, beat, envelope, ids, settle, task_id
from tq.testing.waiting import survive
from tq.wire.ids import new_id

_CONSUMERS = 3
_WHO = st.integers(0, _CONSUMERS - 1)
_SPLIT = st.sampled_from([0.0, 0.3, 0.5, 1.0])
_ATTEMPTS = 3
"""Runs that a message gets before it goes to the dead letters."""


class Model:
    """The property test: a machine drives the broker and a multiset side by side."""

    broker_class: ClassVar[type[Broker]]
    model_examples: ClassVar[int] = 12
    """How many sequences are tried."""
    model_steps: ClassVar[int] = 25
    """How long each is."""

    def test_any_sequence_of_operations_keeps_each_message_in_one_place(
        self, kit: BrokerKit, broker: Broker
    ) -> None:
        run_state_machine_as_test(
            partial(_Machine, kit, broker),  # type: ignore[arg-type]
            settings=settings(
                max_examples=self.model_examples,
                stateful_step_count=self.model_steps,
                deadline=None,
                derandomize=True,
                database=None,
                report_multiple_bugs=False,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )


class _Machine(RuleBasedStateMachine):
    """`waiting`, `held`, `buried` and `deaths` are what the rules of the contract say must be there.

    `ghosts` are consumers that were declared dead, with what they held: they go on trying, for ever in vain.
    """

    def __init__(self, kit: BrokerKit, broker: Broker) -> None:
        super().__init__()
        self.kit, self.broker = kit, broker
        # Who keeps a lease of a millisecond has no patience with its server, for anything.
        self.hasty = kit.broker()
        self.queue = f"model-{new_id()}"
        self.count = 0
        self.waiting: Counter[str] = Counter()
        self.held: list[dict[str, Delivery]] = [{} for _ in range(_CONSUMERS)]
        self.deaths: Counter[str] = Counter()
        self.buried: Counter[str] = Counter()
        self.ghosts: list[tuple[Consumer, list[Delivery]]] = []
        self.consumers = [kit.consumer(broker, self.queue) for _ in self.held]

    @rule(count=st.integers(0, 4))
    def publish(self, count: int) -> None:
        new = [f"task-{number}" for number in range(self.count, self.count + count)]
        self.count += count
        self.kit.send(self.broker, self.queue, *new)
        self.waiting.update(new)

    @rule(who=_WHO, limit=st.integers(1, 5))
    def receive(self, who: int, limit: int) -> None:
        taken = self.consumers[who].receive(limit, 0.0)
        assert len(taken) <= limit
        for delivery in taken:
            name = task_id(delivery)
            assert not any(name in held for held in self.held), f"{name} is held already"
            assert self.waiting[name] == 1, f"{name} was not waiting, and yet it came"
            if Cap.ATTEMPTS in self.broker.capabilities:
                assert delivery.attempt == 1 + self.deaths[name], f"{name} came as attempt {delivery.attempt}"
            self.waiting[name] -= 1
            self.held[who][name] = delivery

    @rule(who=_WHO, part=_SPLIT, newest=st.booleans())
    def ack(self, who: int, part: float, newest: bool) -> None:
        self._settle(who, part, newest, Action.ACK)

    @rule(who=_WHO, part=_SPLIT, newest=st.booleans())
    def dead(self, who: int, part: float, newest: bool) -> None:
        self.buried.update(self._settle(who, part, newest, Action.DEAD))

    @rule(who=_WHO, part=_SPLIT, newest=st.booleans())
    def requeue(self, who: int, part: float, newest: bool) -> None:
        self.waiting.update(self._settle(who, part, newest, Action.REQUEUE))

    @rule(who=_WHO)
    def follow_up(self, who: int) -> None:
        if not self.held[who]:
            return
        name, delivery = self.held[who].popitem()
        new = f"{name}-next"
        assert settle(self.consumers[who], [delivery], publish=(envelope(self.queue, new),)) == [True]
        self.waiting[new] += 1

    @rule(who=_WHO)
    def close(self, who: int) -> None:
        self.consumers[who].close()
        self._replace(who)

    @precondition(lambda self: Cap.LEASE in self.broker.capabilities)
    @rule(who=_WHO, part=_SPLIT)
    def die(self, who: int, part: float) -> None:
        """Its supervisor saw it die."""
        running = self._running(who, part)
        receipts = [int(delivery.receipt) for delivery in running]
        dead = self.broker.release(self.consumers[who].id, running=receipts, max_attempts=_ATTEMPTS)
        self._bury(who, running, ids(dead))

    @precondition(lambda self: Cap.LEASE in self.broker.capabilities)
    @rule(who=_WHO, part=_SPLIT, reapers=st.integers(1, 2))
    def vanish(self, who: int, part: float, reapers: int) -> None:
        """It dies with its supervisor, and its lease runs out; others find that at the same time."""
        running = self._running(who, part)
        assert self._last_beat(who, running) is True
        brokers = [self.broker, self.kit.broker()][:reapers]
        dead: list[str] = []
        until = time.monotonic() + self.kit.patience
        while self._last_beat(who, running):
            assert time.monotonic() < until, "a lease of a millisecond does not end"
            time.sleep(0.003)
            for broker in brokers:
                dead += ids(broker.maintain([self.queue], max_attempts=_ATTEMPTS))
        self._bury(who, running, dead)

    @precondition(lambda self: self.ghosts)
    @rule(number=st.integers(0, 99), action=st.sampled_from(Action))
    def haunt(self, number: int, action: Action) -> None:
        """A consumer that was paused beyond its lease goes on."""
        consumer, held = self.ghosts[number % len(self.ghosts)]
        follow_up = (envelope(self.queue, "of-a-ghost"),)
        assert not any(settle(consumer, held, action, publish=follow_up)), (
            "a dead consumer's settlement counts"
        )
        assert beat(self.broker, consumer, 60.0) is False, "a heartbeat revived a dead consumer"
        try:
            taken = consumer.receive(5, 0.0)
        except LeaseLost:
            return
        raise AssertionError(f"a dead consumer received {ids(taken)}")

    @precondition(lambda self: Cap.PURGE in self.broker.capabilities)
    @rule()
    def purge(self) -> None:
        assert self.broker.purge(self.queue) == self.waiting.total()
        self.waiting.clear()

    @rule()
    def maintain(self) -> None:
        assert list(self.broker.maintain([self.queue], max_attempts=_ATTEMPTS)) == []

    @precondition(lambda self: Cap.DEAD_LETTERS in self.broker.capabilities)
    @rule()
    def resurrect(self) -> None:
        letters = self.broker.dead_letters(self.queue, limit=1000)
        assert self.broker.requeue_dead(self.queue, [letter.id for letter in letters]) == len(letters)
        assert len(letters) == self.buried.total()
        self.waiting.update(self.buried)
        for name in self.buried:
            del self.deaths[name]
        self.buried.clear()

    def teardown(self) -> None:
        for consumer in self.consumers:
            consumer.close()
        for held in self.held:
            self.waiting.update(list(held))
        consumer = self.kit.consumer(self.broker, self.queue)
        left: Counter[str] = Counter()
        while taken := consumer.receive(100, self.kit.moment / 4):
            left.update(ids(taken))
        assert left == +self.waiting, "messages were lost, doubled or invented"
        if Cap.DEAD_LETTERS in self.broker.capabilities:
            found = len(self.broker.dead_letters(self.queue, limit=1000))
            assert found == self.buried.total(), f"{found} dead letters, not {self.buried.total()}"
        consumer.close()

    def _settle(self, who: int, part: float, newest: bool, action: Action) -> list[str]:
        names = list(self.held[who])[:: -1 if newest else 1]
        chosen = {name: self.held[who].pop(name) for name in names[: round(len(names) * part)]}
        assert settle(self.consumers[who], chosen.values(), action) == [True] * len(chosen)
        return list(chosen)

    def _last_beat(self, who: int, running: list[Delivery]) -> bool:
        """Keep it alive for a millisecond; whether it was. Asked again where a loaded server takes longer than such a lease
        leaves it."""
        consumer = self.consumers[who]
        return survive(
            lambda: beat(self.hasty, consumer, 0.001, running),
            BrokerUnavailable,
            seconds=self.kit.patience,
            every=0.0,
        )

    def _running(self, who: int, part: float) -> list[Delivery]:
        held = list(self.held[who].values())
        return held[: round(len(held) * part)]

    def _bury(self, who: int, running: list[Delivery], dead: list[str]) -> None:
        names = ids(running)
        if Cap.ATTEMPTS in self.broker.capabilities:
            self.deaths.update(names)
            assert sorted(dead) == sorted(name for name in names if self.deaths[name] >= _ATTEMPTS)
        else:
            assert not dead
        self.ghosts.append((self.consumers[who], list(self.held[who].values())))
        for name in dead:
            del self.held[who][name]
        self.buried.update(dead)
        self.haunt(-1, Action.ACK)
        self._replace(who)

    def _replace(self, who: int) -> None:
        self.waiting.update(list(self.held[who]))
        self.held[who] = {}
        self.consumers[who] = self.kit.consumer(self.broker, self.queue)
