"""The smallest drivers that fulfil the contracts, as source text for fake distributions."""

from __future__ import annotations

BROKER = """
from tq.contracts import Broker, Cap

class MyBroker(Broker):
    api_version = 1
    capabilities = Cap.DELAY | Cap.PRIORITY

    def publish(self, batch, *, timeout):
        return [None] * len(batch)

    def consumer(self, queues, consumer_id, *, lease):
        raise NotImplementedError

    def close(self):
        self.closed = True
"""

BACKEND = """
from tq.contracts import ResultBackend

class MyBackend(ResultBackend):
    api_version = 1

    def store(self, batch):
        return None

    def get(self, task_ids):
        return {}

    def wait(self, task_ids, timeout):
        return {}

    def forget(self, task_ids):
        return None

    def close(self):
        return None
"""

SERIALIZER = """
class MySerializer:
    api_version = 1
    name = "mine"
    content_type = "application/mine"
    content_encoding = "utf-8"
    safe = True

    def dumps(self, value):
        return str(value).encode()

    def loads(self, data):
        return data.decode()
"""

POOL = """
from tq.contracts import Pool

class MyPool(Pool):
    api_version = 1

MyPool.__abstractmethods__ = frozenset()
"""
