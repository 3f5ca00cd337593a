"""Brokers that are wrong on purpose."""

from __future__ import annotations

from tq.testing.mutants.brokers import broadcast, leases, publishing, receiving, settling, surroundings
from tq.testing.mutants.brokers.mutant import BrokerMutant

__all__ = ["BROKERS", "BrokerMutant"]

_TOPICS = (broadcast, publishing, receiving, settling, leases, surroundings)

BROKERS: tuple[type[BrokerMutant], ...] = tuple(
    found
    for topic in _TOPICS
    for found in vars(topic).values()
    if isinstance(found, type) and issubclass(found, BrokerMutant) and found is not BrokerMutant
)
"""All of them."""
