"""Capabilities: what is declared is there, what is not declared is refused."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.errors import BrokerError
from tq.records import Channel

METHODS: dict[str, tuple[Cap, tuple[Any, ...], dict[str, Any]]] = {
    "heartbeat": (Cap.LEASE, ([],), {"lease": 1.0}),
    "held": (Cap.LEASE, ("nobody", [0]), {}),
    "release": (Cap.LEASE, ("nobody",), {}),
    "stats": (Cap.STATS, ("nothing",), {}),
    "purge": (Cap.PURGE, ("nothing",), {}),
    "dead_letters": (Cap.DEAD_LETTERS, ("nothing",), {}),
    "requeue_dead": (Cap.DEAD_LETTERS, ("nothing", []), {}),
    "drop_dead": (Cap.DEAD_LETTERS, ("nothing", []), {}),
    "revoke": (Cap.REVOKE, ([],), {"expires": 1.0}),
    "revoked": (Cap.REVOKE, (0,), {}),
    "announce": (Cap.BROADCAST, ([],), {"timeout": 1.0}),
    "subscribe": (Cap.BROADCAST, (Channel("nothing"),), {}),
}


class Capabilities:
    """Tests of the flags against the methods."""

    broker_class: ClassVar[type[Broker]]

    @pytest.mark.parametrize("name", METHODS)
    def test_a_capability_has_its_method_or_a_refusal(self, broker: Broker, name: str) -> None:
        cap, args, kwargs = METHODS[name]
        if cap in self.broker_class.capabilities:
            own = getattr(self.broker_class, name)
            assert own is not getattr(Broker, name), f"{cap} is declared, but {name}() is not overridden"
        else:
            with pytest.raises((NotImplementedError, BrokerError)):
                getattr(broker, name)(*args, **kwargs)

    def test_a_lease_that_is_declared_is_ended_by_maintain(self) -> None:
        if Cap.LEASE not in self.broker_class.capabilities:
            pytest.skip(f"not declared by {self.broker_class.__name__}: Cap.LEASE")
        own = self.broker_class.maintain
        assert own is not Broker.maintain, "Cap.LEASE is declared, but maintain() is not overridden"

    def test_maintain_of_nothing_is_harmless(self, broker: Broker, queue: str) -> None:
        assert list(broker.maintain([])) == []
        assert list(broker.maintain([queue])) == []
