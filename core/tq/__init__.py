"""tq: a distributed task queue with Celery's names and wire, and nothing lost.

from tq import TQ

app = TQ("shop", broker="redis://localhost/0", backend="redis://localhost/1")

@app.task(max_retries=3, retry_backoff=True)
def charge(order_id: int) -> str: ...

charge.delay(42).get(timeout=10)
"""

from __future__ import annotations

from tq._version import __version__
from tq.app.app import TQ
from tq.app.canvas import maybe_signature, signature
from tq.app.current import current_app
from tq.app.shared import shared_task
from tq.app.task import Task
from tq.canvas.compound import chain, chord, chunks, group, xmap, xstarmap
from tq.canvas.signature import Signature
from tq.canvas.stamping import StampingVisitor
from tq.client.groups import GroupResult, ResultSet
from tq.client.result import AsyncResult, EagerResult
from tq.config import Broadcast, Exchange, Queue
from tq.errors import (
    BackendError,
    BrokerError,
    BrokerUnavailable,
    ChordError,
    Ignore,
    ImproperlyConfigured,
    MaxRetriesExceeded,
    Reject,
    ResultTimeout,
    Retry,
    SoftTimeLimitExceeded,
    TaskRevoked,
    TQError,
)

__all__ = [
    "TQ",
    "AsyncResult",
    "BackendError",
    "Broadcast",
    "BrokerError",
    "BrokerUnavailable",
    "ChordError",
    "EagerResult",
    "Exchange",
    "GroupResult",
    "Ignore",
    "ImproperlyConfigured",
    "MaxRetriesExceeded",
    "Queue",
    "Reject",
    "ResultSet",
    "ResultTimeout",
    "Retry",
    "Signature",
    "SoftTimeLimitExceeded",
    "StampingVisitor",
    "TQError",
    "Task",
    "TaskRevoked",
    "__version__",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "group",
    "maybe_signature",
    "shared_task",
    "signature",
    "xmap",
    "xstarmap",
]
