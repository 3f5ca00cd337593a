"""Requests of remote control, and the replies to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tq.contracts.broker import Broker
from tq.errors import DecodeError
from tq.events.clock import Clock
from tq.records import Heard, Message
from tq.wire.ids import new_id
from tq.wire.pidbox import REPLIES, Control, read_reply, request_notice

logger = logging.getLogger("tq.control")

Replies = list[dict[str, Any]]
MOST: Final = 10_000
"""Replies of one request; further ones are not read."""
_AT_ONCE: Final = 100
_LIFE: Final = 10.0
"""Seconds that replies wait for their reader."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """By which way requests leave; `timeout` seconds for sending one."""

    broker: Broker
    clock: Clock
    timeout: float


def cast(outgoing: Outgoing, request: Control, expires: float = 0.0) -> None:
    """Send a request. Raises `BrokerError`."""
    notice = request_notice(request, outgoing.clock.forward(), expires)
    (error,) = outgoing.broker.announce([notice], timeout=outgoing.timeout)
    if error is not None:
        raise error


def call(
    outgoing: Outgoing,
    request: Control,
    timeout: float,
    limit: int | None,
    callback: Callable[[dict[str, Any]], object] | None = None,
) -> Replies:
    """Send a request and collect replies: for `timeout` seconds, or until there are `limit`.

    What answers another request, or is no reply, is left out. Raises `BrokerError`.
    """
    key, ticket = new_id(), new_id()
    asked = msgspec.structs.replace(request, ticket=ticket, reply_to=key)
    subscription = outgoing.broker.subscribe(REPLIES, key, queue=f"{key}.{REPLIES.name}", ttl=_LIFE)
    found: Replies = []
    most = min(limit or MOST, MOST)
    try:
        cast(outgoing, asked, time.time() + timeout)
        until = time.monotonic() + timeout
        while len(found) < most and (left := until - time.monotonic()) > 0:
            for reply in _replies(subscription.receive(_AT_ONCE, left), ticket, outgoing.clock):
                found.append(reply)
                if callback is not None:
                    callback(reply)
    finally:
        subscription.close()
    return found[:most]


def merged(replies: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """By node."""
    return {node: reply for each in replies for node, reply in each.items()}


def _replies(heard: Iterable[Heard], ticket: str, clock: Clock) -> Replies:
    found = []
    for each in heard:
        try:
            answers, content = read_reply(each.message)
        except DecodeError as exc:
            logger.warning("a reply of remote control is ignored: %s", exc)
            continue
        assert isinstance(each.message, Message)
        clock.adjust(each.message.headers.get("clock"))
        if answers == ticket and len(content) == 1:
            found.append(content)
    return found
