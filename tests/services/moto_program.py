"""moto's server with an SQS that several requests may use at once; run as a program by `tests.services.moto`.

moto itself changes its lists of messages on many threads without a lock: a message that arrives while another one is
deleted can get lost, and two receivers can get the same one. Real SQS does not do that (nearly).

Its requests also take longer the more messages there are, for it counts all of them several times for each one that is
sent or received, and looks for a receipt handle at every one. `QuickQueue` answers the same without.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moto.core.utils import camelcase_to_underscores, unix_time_millis
from moto.server import main
from moto.sqs import models
from moto.sqs.models import Message, Queue, SQSBackend

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


class Messages:
    """The messages of a queue in their order, each found by its id; as much of a list as moto uses."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._by_id = {message.id: message for message in messages}

    def __iter__(self) -> Iterator[Message]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, message_id: str | None) -> Message | None:
        """The message with this id, if it is here."""
        return None if message_id is None else self._by_id.get(message_id)

    def append(self, message: Message) -> None:
        """Add one at the end."""
        self._by_id[message.id] = message

    def remove(self, message: Message) -> None:
        """Remove one."""
        del self._by_id[message.id]


class Visible:
    """Those messages that may be received, found one by one by who goes through them."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    def __iter__(self) -> Iterator[Message]:
        now = unix_time_millis()
        return (each for each in self._messages if each.visible_at < now >= each.delayed_until)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None


class Attributes(Mapping[str, Any]):
    """A queue's attributes, each made when it is asked for: some count all messages."""

    def __init__(self, queue: QuickQueue) -> None:
        self._queue = queue
        self._names = (
            *queue.BASE_ATTRIBUTES,
            *(queue.FIFO_ATTRIBUTES if queue.fifo_queue else ()),
            *(queue.KMS_ATTRIBUTES if queue.kms_master_key_id else ()),  # type: ignore[attr-defined]
        )

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        value = getattr(self._queue, camelcase_to_underscores(name))
        if name == "RedrivePolicy" and value:
            return json.dumps(value)
        return str(value).lower() if isinstance(value, bool) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class QuickQueue(Queue):
    """A queue that knows its messages by their ids and receipt handles. Used under `_ONE_AT_A_TIME`."""

    __module__ = Queue.__module__  # moto files what it makes by it.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ids: dict[str, str] = {}
        """Of messages, by the receipt handles that they have or had."""
        super().__init__(*args, **kwargs)
        # Who waits for messages lets others change them, and nobody changes them while somebody looks.
        self._messages_lock = threading.Condition(_ONE_AT_A_TIME)

    @property  # type: ignore[override]
    def _messages(self) -> Messages:
        return self._all

    @_messages.setter
    def _messages(self, messages: Iterable[Message]) -> None:
        self._all = messages if isinstance(messages, Messages) else Messages(messages)

    @property
    def messages(self) -> Visible:  # type: ignore[override]
        """What may be received."""
        return Visible(self._messages)

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        """How many are delayed."""
        now = unix_time_millis()
        return sum(now < message.delayed_until for message in self._messages)

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        """How many are lent."""
        now = unix_time_millis()
        return sum(now <= message.visible_at for message in self._messages)

    @property
    def attributes(self) -> Attributes:  # type: ignore[override]
        """The queue's attributes, by SQS's names."""
        return Attributes(self)

    def lend(self, received: Iterable[Message]) -> None:
        """Remember the handles of these."""
        self._ids.update((str(message.receipt_handle), message.id) for message in received)

    @contextmanager
    def only(self, receipt_handle: str) -> Iterator[Message | None]:
        """Let moto see no message but the one with this handle."""
        everything = self._messages
        message = everything.get(self._ids.get(receipt_handle))
        self._messages = Messages() if message is None else Messages([message])
        try:
            yield message
        finally:
            self._messages = everything

    def delete_message(self, receipt_handle: str) -> None:
        """Remove a message."""
        with self.only(receipt_handle) as message:
            super().delete_message(receipt_handle)
        if message is not None:
            self._messages.remove(message)
            for handle in message.all_receipt_handles:
                self._ids.pop(str(handle), None)


def locked(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same, one at a time."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with _ONE_AT_A_TIME:
            return method(*args, **kwargs)

    return call


def seeing_one(change: Callable[..., Any]) -> Callable[..., Any]:
    """A `change_message_visibility` that looks at no other message."""

    def call(self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        queue = self.get_queue(queue_name)
        assert isinstance(queue, QuickQueue)
        with queue.only(receipt_handle):
            change(self, queue_name, receipt_handle, visibility_timeout)

    return call


def waiting(receive: Callable[..., Any]) -> Callable[..., Any]:
    """A `receive_message` that lets others in while it waits."""

    def call(
        self: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, *args: Any, **kwargs: Any
    ) -> Any:
        end = time.monotonic() + wait_seconds_timeout
        with _ONE_AT_A_TIME:
            while True:
                found = receive(self, queue_name, count, 0, *args, **kwargs)
                queue = self.get_queue(queue_name)
                assert isinstance(queue, QuickQueue)
                queue.lend(found)
                if found or time.monotonic() >= end:
                    return found
                queue.wait_for_messages(_LOOK_AGAIN)  # type: ignore[arg-type]

    return call


def mend() -> None:
    """Change moto's SQS, for this process."""
    models.Queue = QuickQueue  # type: ignore[misc]
    change = seeing_one(SQSBackend.change_message_visibility)
    SQSBackend.change_message_visibility = change  # type: ignore[method-assign]
    for name in _CHANGES:
        setattr(SQSBackend, name, locked(getattr(SQSBackend, name)))
    SQSBackend.receive_message = waiting(SQSBackend.receive_message)  # type: ignore[method-assign]


if __name__ == "__main__":
    mend()
    main(sys.argv[1:])
