"""What wrong brokers have in common."""

from __future__ import annotations

from typing import ClassVar

from tq.brokers.memory import MemoryBroker


class BrokerMutant(MemoryBroker):
    """A memory broker with a flaw."""

    caught_by: ClassVar[str]
    """The test of `BrokerConformance` that must fail."""
