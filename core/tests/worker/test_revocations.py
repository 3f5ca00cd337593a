"""What a worker knows of revocations: ids and stamps, and nothing for longer than it holds."""

from __future__ import annotations

import uuid

import pytest

from tq.brokers.memory import MemoryBroker
from tq.records import Revocation
from tq.wire.call import TaskCall
from tq.wire.stamps import stamp_key
from tq.worker.revocations import ALL_AGAIN, Revocations


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(f"memory://{uuid.uuid4().hex}")


def test_a_task_is_met_by_its_id_and_by_each_of_its_stamps(broker: MemoryBroker) -> None:
    broker.revoke([Revocation("i"), Revocation(stamp_key("tenant", "a"))], expires=60)
    revocations = Revocations(broker)
    assert not revocations.meets(TaskCall("i", "t"))
    revocations.refresh()
    assert revocations.meets(TaskCall("i", "t"))
    assert revocations.meets(TaskCall("x", "t", stamps={"tenant": "a"}))
    assert revocations.meets(TaskCall("x", "t", stamps={"region": 1, "tenant": ["b", "a"]}))
    for stamps in ({}, {"tenant": "b"}, {"region": "a"}):
        assert not revocations.meets(TaskCall("x", "t", stamps=stamps))


def test_what_has_expired_is_forgotten_and_what_holds_is_not_told_twice(broker: MemoryBroker) -> None:
    now = [0.0]
    broker.revoke([Revocation("short"), Revocation("long")], expires=60)
    revocations = Revocations(broker, clock=lambda: now[0])
    assert len(revocations.refresh()) == 2
    broker.revoke([Revocation("short")], expires=0)
    now[0] = ALL_AGAIN
    assert revocations.refresh() == []
    assert "long" in revocations
    assert "short" not in revocations
