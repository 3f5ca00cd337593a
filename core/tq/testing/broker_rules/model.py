"""The model: any sequence of operations keeps each message in exactly one place."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tq.contracts.broker import Broker, Cap
from tq.records import Action, Delivery
from tq.testing.broker_kit import BrokerKit, envelope, ids, settle, task_id
from tq.wire.ids import new_id

_SPLIT = st.sampled_from([0.0, 0.3, 0.5, 1.0])


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
    """`waiting` and `held` are what the rules of the contract say must be there."""

    def __init__(self, kit: BrokerKit, broker: Broker) -> None:
        super().__init__()
        self.kit, self.broker = kit, broker
        self.queue = f"model-{new_id()}"
        self.count = 0
        self.waiting: Counter[str] = Counter()
        self.held: list[dict[str, Delivery]] = [{}, {}]
        self.consumers = [kit.consumer(broker, self.queue) for _ in self.held]

    @rule(count=st.integers(0, 4))
    def publish(self, count: int) -> None:
        new = [f"task-{number}" for number in range(self.count, self.count + count)]
        self.count += count
        self.kit.send(self.broker, self.queue, *new)
        self.waiting.update(new)

    @rule(who=st.integers(0, 1), limit=st.integers(1, 5))
    def receive(self, who: int, limit: int) -> None:
        taken = self.consumers[who].receive(limit, 0.0)
        assert len(taken) <= limit
        for delivery in taken:
            name = task_id(delivery)
            assert not any(name in held for held in self.held), f"{name} is held already"
            assert self.waiting[name] == 1, f"{name} was not waiting, and yet it came"
            self.waiting[name] -= 1
            self.held[who][name] = delivery

    @rule(who=st.integers(0, 1), part=_SPLIT, newest=st.booleans())
    def ack(self, who: int, part: float, newest: bool) -> None:
        self._settle(who, part, newest, Action.ACK)

    @rule(who=st.integers(0, 1), part=_SPLIT, newest=st.booleans())
    def dead(self, who: int, part: float, newest: bool) -> None:
        self._settle(who, part, newest, Action.DEAD)

    @rule(who=st.integers(0, 1), part=_SPLIT, newest=st.booleans())
    def requeue(self, who: int, part: float, newest: bool) -> None:
        self.waiting.update(self._settle(who, part, newest, Action.REQUEUE))

    @rule(who=st.integers(0, 1))
    def follow_up(self, who: int) -> None:
        if not self.held[who]:
            return
        name, delivery = self.held[who].popitem()
        new = f"{name}-next"
        assert settle(self.consumers[who], [delivery], publish=(envelope(self.queue, new),)) == [True]
        self.waiting[new] += 1

    @rule(who=st.integers(0, 1))
    def close(self, who: int) -> None:
        self.consumers[who].close()
        self._replace(who)

    @precondition(lambda self: Cap.LEASE in self.broker.capabilities)
    @rule(who=st.integers(0, 1), part=_SPLIT)
    def die(self, who: int, part: float) -> None:
        held = list(self.held[who].values())
        running = [int(delivery.receipt) for delivery in held[: round(len(held) * part)]]
        assert list(self.broker.release(self.consumers[who].id, running=running, max_attempts=1000)) == []
        assert not any(settle(self.consumers[who], held)), "a dead consumer's late ack was accepted"
        self._replace(who)

    @precondition(lambda self: Cap.PURGE in self.broker.capabilities)
    @rule()
    def purge(self) -> None:
        assert self.broker.purge(self.queue) == self.waiting.total()
        self.waiting.clear()

    @rule()
    def maintain(self) -> None:
        assert list(self.broker.maintain([self.queue])) == []

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
        consumer.close()

    def _settle(self, who: int, part: float, newest: bool, action: Action) -> list[str]:
        names = list(self.held[who])[:: -1 if newest else 1]
        chosen = {name: self.held[who].pop(name) for name in names[: round(len(names) * part)]}
        assert settle(self.consumers[who], chosen.values(), action) == [True] * len(chosen)
        return list(chosen)

    def _replace(self, who: int) -> None:
        self.waiting.update(list(self.held[who]))
        self.held[who] = {}
        self.consumers[who] = self.kit.consumer(self.broker, self.queue)
