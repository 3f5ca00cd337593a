"""Deaths of whole workers, of which nobody is left to report: what had run for a while is charged, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from plugins.amqp.tests.conftest import Open, send
from tests.faults.proxy import Proxy
from tests.services.rabbitmq import RabbitmqServer
from tq.records import Action, Settlement
from tq.testing.broker_kit import envelope, ids
from tq.testing.threads import at_once
from tq.wire.ids import new_id


@pytest.fixture
def line(shared_rabbitmq: RabbitmqServer) -> Iterator[Proxy]:
    proxy = Proxy(shared_rabbitmq.port)
    yield proxy
    proxy.close()


def test_the_death_of_a_whole_worker_charges_what_ran_for_a_while(
    open_broker: Open, rabbitmq_url: str, line: Proxy, shared_rabbitmq: RabbitmqServer
) -> None:
    broker = open_broker()
    send(broker, envelope("q", "runs"), envelope("q", "waits"))
    url = rabbitmq_url.replace(f":{shared_rabbitmq.port}", f":{line.port}")
    with closing(open_broker(url=url).consumer(["q"], "a", lease=30)) as holder:
        held = holder.receive(2, 30.0)
        assert ids(held) == ["runs", "waits"]
        holder.keep([int(held[0].receipt)])
        line.cut()
        with closing(broker.consumer(["q"], "b", lease=30)) as other:
            attempts: dict[str, int] = {}
            while len(attempts) < 2:
                for delivery in other.receive(2, 30.0):
                    attempts[ids([delivery])[0]] = delivery.attempt
                    other.settle([Settlement(delivery)])
    assert attempts == {"runs": 2, "waits": 1}


@pytest.mark.parametrize("closes", [False, True])
def test_what_a_living_worker_gives_back_is_not_charged(open_broker: Open, closes: bool) -> None:
    broker = open_broker()
    send(broker, envelope("q", "runs"))
    with closing(broker.consumer(["q"], "a", lease=30)) as holder:
        (held,) = holder.receive(1, 30.0)
        holder.keep([int(held.receipt)])
        if not closes:
            assert list(holder.settle([Settlement(held, Action.REQUEUE)])) == [True]
    with closing(broker.consumer(["q"], "b", lease=30)) as other:
        (again,) = other.receive(1, 30.0)
        assert again.attempt == 1
        other.settle([Settlement(again)])


@pytest.mark.parametrize("attempt", range(6))
def test_the_first_notes_of_a_server_cost_nobody_what_he_holds(open_broker: Open, attempt: int) -> None:
    # Each has connections of its own, as processes have.
    brokers = [open_broker() for _ in range(6)]
    send(brokers[0], *(envelope("q", f"long-{number}") for number in range(len(brokers))))
    consumers = [broker.consumer(["q"], new_id(), lease=30.0) for broker in brokers]
    held = [consumer.receive(1, 30.0) for consumer in consumers]
    keeps = [
        partial(consumer.keep, [int(taken[0].receipt)])
        for consumer, taken in zip(consumers, held, strict=True)
    ]
    at_once(keeps)
    for consumer, taken in zip(consumers, held, strict=True):
        assert consumer.settle([Settlement(taken[0])]) == [True]
        consumer.close()
    assert brokers[0].stats("q").ready == 0
