"""moto's server with an SQS that several requests may use at once; run as a program by `tests.services.moto`.

moto itself changes its lists of messages on many threads without a lock: a message that arrives while another one is
deleted can get lost, and two receivers can get the same one. Real SQS does not do that (nearly).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.server import main
from moto.sqs.models import SQSBackend

_ONE_AT_A_TIME = threading.RLock()
_CHANGES = (
    "send_message",
    "send_message_batch",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility",
    "change_message_visibility_batch",
    "get_queue_attributes",
    "create_queue",
    "purge_queue",
)
_LOOK_AGAIN = 0.2


def locked(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same, one at a time."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with _ONE_AT_A_TIME:
            return method(*args, **kwargs)

    return call


def waiting(receive: Callable[..., Any]) -> Callable[..., Any]:
    """A `receive_message` that waits outside of the lock."""

    def call(
        self: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, *args: Any, **kwargs: Any
    ) -> Any:
        end = time.monotonic() + wait_seconds_timeout
        while True:
            with _ONE_AT_A_TIME:
                found = receive(self, queue_name, count, 0, *args, **kwargs)
            if found or time.monotonic() >= end:
                return found
            self.get_queue(queue_name).wait_for_messages(_LOOK_AGAIN)  # type: ignore[arg-type]

    return call


if __name__ == "__main__":
    for name in _CHANGES:
        setattr(SQSBackend, name, locked(getattr(SQSBackend, name)))
    SQSBackend.receive_message = waiting(SQSBackend.receive_message)  # type: ignore[method-assign]
    main(sys.argv[1:])
