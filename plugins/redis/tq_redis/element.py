"""Receipts and elements as the scripts know them; `lua/common.lua` says what they look like."""

from __future__ import annotations

from tq.records import Delivery
from tq.wire.envelope import unpack
from tq_redis.keys import REDO

STEP = 256 * 32
"""From one receipt to the next of the same list."""
LAST_NUMBER = 2**40 - 2**20
"""The running number at which receipts would no longer be exact in Lua."""


def receipt_of(number: int, queue: int, code: int) -> int:
    """The receipt of a running number, the queue's place in its consumer's list, and a list's code."""
    return (number * 256 + queue) * 32 + code


def queue_number(receipt: int) -> int:
    """The queue's place in its consumer's list."""
    return receipt // 32 % 256


def deliveries(name: str, queue: int, code: int, number: int, elements: list[bytes]) -> list[Delivery]:
    """What was lent from one list, with running numbers from `number` on."""
    receipt = receipt_of(number, queue, code)
    if code == REDO:
        return [delivery_of(raw, name, receipt + at * STEP) for at, raw in enumerate(elements)]
    return [Delivery(unpack(raw), name, receipt + at * STEP, 1, len(raw)) for at, raw in enumerate(elements)]


def delivery_of(raw: bytes, name: str, receipt: int) -> Delivery:
    """A delivery from an element; the code in the receipt says in which form it is."""
    attempt = 1
    if receipt % 32 == REDO:
        head, _, message = raw[3:].partition(b"\0")
        attempt, raw = int(head), message
    return Delivery(unpack(raw), name, receipt, attempt, len(raw))
