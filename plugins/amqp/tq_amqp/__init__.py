"""RabbitMQ as broker and rpc result backend of tq."""

from __future__ import annotations

from tq_amqp.backend import RpcBackend
from tq_amqp.broker import AmqpBroker

__all__ = ["AmqpBroker", "RpcBackend"]
