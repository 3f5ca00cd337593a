"""Processes: a fork goes on with a broker of its own, and several share the messages."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from typing import ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.forks import in_child
from tq.testing.needs import needs
from tq.wire.arrived import Arrived, arrive, whole


class Processes:
    """Tests that fork. A child leaves by `os._exit`, as a pool's child would after a crash."""

    broker_class: ClassVar[type[Broker]]
    many: ClassVar[int]

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_fork_leaves_the_parents_connection_usable(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """Two processes that speak over one socket get each other's answers; one that closes it takes it from
        the other."""
        kit.send(broker, queue, "before", "held")
        consumer = kit.consumer(broker, queue)
        held = kit.take(consumer, 1)

        def child() -> None:
            broker.after_fork()
            broker.publish([], timeout=5.0)
            broker.close()

        assert in_child(child) == 0
        assert settle(consumer, held) == [True]
        assert sorted(ids([*held, *kit.take(consumer, 1)])) == ["before", "held"]
        kit.send(broker, queue, "after")
        assert ids(kit.take(consumer, 1)) == ["after"]

    def test_another_process_reads_a_message_from_what_it_carried(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """The parent of a child that dies says what that one ran, and has nothing but what the child has noted."""
        kit.send(broker, queue, *names(3))
        for delivery in kit.take(kit.consumer(broker, queue), 3):
            came = delivery.message
            if isinstance(came, Arrived):
                carried = came.carried()
                again = arrive(carried) if type(came) is Arrived else broker.read_again(carried)
                assert whole(again) == whole(came)
                assert came.carried() == b"", "it has dictionaries now, which may be changed"

    @needs(Cap.SHARED)
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_child_uses_the_broker_it_inherited_after_after_fork(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "from-the-parent")

        def child() -> None:
            broker.after_fork()
            consumer = broker.consumer([queue], f"child-{os.getpid()}-{queue}", lease=60.0)
            settle(consumer, kit.take(consumer, 1))
            kit.send(broker, queue, "from-the-child")
            consumer.close()

        assert in_child(child) == 0
        assert ids(kit.take(kit.consumer(broker, queue), 1)) == ["from-the-child"]

    @needs(Cap.SHARED)
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_processes_share_the_messages_and_get_each_once(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        context = multiprocessing.get_context("fork")
        sent = names(min(300, self.many))
        kit.send(broker, queue, *sent)
        answers = context.SimpleQueue()

        def child(number: int) -> None:
            own = kit.broker_class(kit.url, dict(kit.options))
            consumer = own.consumer([queue], f"child-{number}-{queue}", lease=60.0)
            seen: list[str] = []
            while taken := consumer.receive(10, kit.moment * 5):
                settle(consumer, taken)
                seen.extend(ids(taken))
            consumer.close()
            own.close()
            answers.put(seen)

        children = [context.Process(target=child, args=(number,)) for number in range(3)]
        for process in children:
            process.start()
        seen = Counter(name for _ in children for name in answers.get())
        for process in children:
            process.join(30)
        assert seen == Counter(sent)

    @needs(Cap.SHARED | Cap.LEASE)
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_process_that_was_killed_loses_nothing(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(5)
        kit.send(broker, queue, *sent)
        consumer_id = f"killed-{queue}"

        def child() -> None:
            own = kit.broker_class(kit.url, dict(kit.options))
            kit.take(own.consumer([queue], consumer_id, lease=60.0), 3)
            os.kill(os.getpid(), 9)

        assert in_child(child) == -9
        broker.release(consumer_id, running=[])
        assert ids(kit.take(kit.consumer(broker, queue), 5)) == sent
