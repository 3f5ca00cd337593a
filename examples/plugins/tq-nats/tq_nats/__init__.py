"""NATS JetStream as broker of tq."""

from __future__ import annotations

from tq_nats.broker import NatsBroker

__all__ = ["NatsBroker"]
