"""Methods of AMQP 0-9-1: their numbers, how the ones we send are written, how the ones we get are read."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from tq_amqp.protocol.table import pack_table, read_short, short

Method = tuple[int, int]

CONNECTION_START: Final = (10, 10)
CONNECTION_START_OK: Final = (10, 11)
CONNECTION_TUNE: Final = (10, 30)
CONNECTION_TUNE_OK: Final = (10, 31)
CONNECTION_OPEN: Final = (10, 40)
CONNECTION_OPEN_OK: Final = (10, 41)
CONNECTION_CLOSE: Final = (10, 50)
CONNECTION_CLOSE_OK: Final = (10, 51)
CONNECTION_BLOCKED: Final = (10, 60)
CONNECTION_UNBLOCKED: Final = (10, 61)
CHANNEL_OPEN: Final = (20, 10)
CHANNEL_OPEN_OK: Final = (20, 11)
CHANNEL_CLOSE: Final = (20, 40)
CHANNEL_CLOSE_OK: Final = (20, 41)
EXCHANGE_DECLARE_OK: Final = (40, 11)
EXCHANGE_BIND_OK: Final = (40, 31)
QUEUE_DECLARE_OK: Final = (50, 11)
QUEUE_BIND_OK: Final = (50, 21)
QUEUE_PURGE_OK: Final = (50, 31)
QUEUE_DELETE_OK: Final = (50, 41)
BASIC_QOS_OK: Final = (60, 11)
BASIC_CONSUME_OK: Final = (60, 21)
BASIC_CANCEL: Final = (60, 30)
BASIC_CANCEL_OK: Final = (60, 31)
BASIC_RETURN: Final = (60, 50)
BASIC_DELIVER: Final = (60, 60)
BASIC_GET_OK: Final = (60, 71)
BASIC_GET_EMPTY: Final = (60, 72)
BASIC_ACK: Final = (60, 80)
BASIC_NACK: Final = (60, 120)
CONFIRM_SELECT_OK: Final = (85, 11)

_U16 = struct.Struct(">H")
_U64 = struct.Struct(">Q")
_HEAD = struct.Struct(">HH")
_ACK = struct.Struct(">HHQB")


def method(numbers: Method, *parts: bytes) -> bytes:
    """The payload of a method frame."""
    return _HEAD.pack(*numbers) + b"".join(parts)


def channel_open() -> bytes:
    return method((20, 10), b"\0")


def close(numbers: Method, code: int = 200, text: str = "bye") -> bytes:
    """`numbers`: of the connection or of the channel."""
    return method(numbers, _U16.pack(code), short(text), b"\0\0\0\0")


def exchange_declare(
    name: str,
    kind: str,
    *,
    durable: bool = True,
    auto_delete: bool = False,
    passive: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> bytes:
    bits = passive | durable << 1 | auto_delete << 2
    return method((40, 10), b"\0\0", short(name), short(kind), bytes((bits,)), pack_table(arguments or {}))


def exchange_bind(destination: str, source: str, key: str) -> bytes:
    return method((40, 30), b"\0\0", short(destination), short(source), short(key), b"\0", pack_table({}))


def queue_declare(
    name: str,
    *,
    passive: bool = False,
    durable: bool = True,
    exclusive: bool = False,
    auto_delete: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> bytes:
    bits = passive | durable << 1 | exclusive << 2 | auto_delete << 3
    return method((50, 10), b"\0\0", short(name), bytes((bits,)), pack_table(arguments or {}))


def queue_bind(queue: str, exchange: str, key: str) -> bytes:
    return method((50, 20), b"\0\0", short(queue), short(exchange), short(key), b"\0", pack_table({}))


def queue_purge(name: str) -> bytes:
    return method((50, 30), b"\0\0", short(name), b"\0")


def queue_delete(name: str) -> bytes:
    return method((50, 40), b"\0\0", short(name), b"\0")


def qos(count: int) -> bytes:
    """How many unsettled messages each consumer that is made from now on may have; 0: any number."""
    return method((60, 10), b"\0\0\0\0", _U16.pack(count), b"\0")


def consume(
    queue: str,
    tag: str,
    *,
    no_ack: bool = False,
    exclusive: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> bytes:
    bits = no_ack << 1 | exclusive << 2
    return method((60, 20), b"\0\0", short(queue), short(tag), bytes((bits,)), pack_table(arguments or {}))


def cancel(tag: str) -> bytes:
    return method((60, 30), short(tag), b"\0")


def publish(exchange: str, key: str, *, mandatory: bool = True) -> bytes:
    return method((60, 40), b"\0\0", short(exchange), short(key), bytes((mandatory,)))


def get(queue: str) -> bytes:
    return method((60, 70), b"\0\0", short(queue), b"\0")


def ack(tag: int, *, multiple: bool = False) -> bytes:
    return _ACK.pack(60, 80, tag, multiple)


def nack(tag: int, *, multiple: bool = False, requeue: bool = True) -> bytes:
    return _ACK.pack(60, 120, tag, multiple | requeue << 1)


def confirm_select() -> bytes:
    return method((85, 10), b"\0")


def read_close(args: bytes) -> tuple[int, str]:
    """Code and text of a close of a connection or channel."""
    return _U16.unpack_from(args)[0], read_short(args, 2)[0]


def read_confirm(args: bytes) -> tuple[int, bool]:
    """Tag, and whether all before it are meant as well."""
    return _U64.unpack_from(args)[0], bool(args[8] & 1)


def read_declared(args: bytes) -> tuple[str, int, int]:
    """Name of a queue, its ready messages and its consumers."""
    name, at = read_short(args, 0)
    ready, consumers = struct.unpack_from(">II", args, at)
    return name, ready, consumers


def read_count(args: bytes) -> int:
    """How many messages were purged or deleted."""
    return int(struct.unpack_from(">I", args)[0])


def read_delivered(args: bytes) -> tuple[str, int, bool, str, str]:
    """Consumer tag, delivery tag, whether it was delivered before, exchange and routing key."""
    consumer, at = read_short(args, 0)
    (tag,) = _U64.unpack_from(args, at)
    again = args[at + 8] != 0
    exchange, at = read_short(args, at + 9)
    key, _ = read_short(args, at)
    return consumer, tag, again, exchange, key


def read_got(args: bytes) -> tuple[int, bool, str, str]:
    """As `read_delivered`, for the answer to a `get`."""
    (tag,) = _U64.unpack_from(args)
    exchange, at = read_short(args, 9)
    key, _ = read_short(args, at)
    return tag, args[8] != 0, exchange, key


def read_returned(args: bytes) -> tuple[int, str, str, str]:
    """Why a message could not be routed: code and text, exchange and routing key."""
    code, text = read_close(args)
    _, at = read_short(args, 2)
    exchange, at = read_short(args, at)
    key, _ = read_short(args, at)
    return code, text, exchange, key
