"""More targets: what plugins, remote control, events and workflows read."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import bson

from tq.canvas.record import VERSION, read_record
from tq.errors import BackendError, DecodeError, InvalidTask
from tq.events.event import events_of
from tq.records import Message, Undecodable
from tq.wire.group_document import End, read_end, read_saved, read_value, write_end
from tq.wire.json import JsonSerializer
from tq.wire.pidbox import read_reply, read_request
from tq_amqp.messages import MALFORMED, read
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.properties import pack_properties, read_properties
from tq_amqp.protocol.wire import Wire
from tq_filesystem.labels import new_label, read_label, read_lent
from tq_mongodb.documents import Documents
from tq_msgpack import MsgpackSerializer
from tq_sqs.messages import read as read_sqs
from tq_yaml import YamlSerializer

_JSON = JsonSerializer()
_MSGPACK, _YAML = MsgpackSerializer(), YamlSerializer()
_DOCUMENTS = Documents(_JSON)


def remote_control(data: bytes) -> None:
    """A request to a worker, and a reply to who asked."""
    for headers in ({}, {"ticket": "t", "expires": 1e12}):
        message = Message(dict(headers), {}, data)
        for reader in (read_request, read_reply):
            with contextlib.suppress(DecodeError):
                reader(message)


def event(data: bytes) -> None:
    """What workers tell about their tasks."""
    with contextlib.suppress(DecodeError):
        assert all(isinstance(each["type"], str) for each in events_of(Message({}, {}, data)))


def group_member(data: bytes) -> None:
    """The end of a member of a chord, its value, and the saved ids of a group."""
    with contextlib.suppress(BackendError):
        read_value("g", read_end("g", data).result, _JSON)
    for reader in (read_value, read_saved):
        with contextlib.suppress(BackendError):
            reader("g", data, _JSON)


def workflow(data: bytes) -> None:
    """What was kept of a workflow."""
    with contextlib.suppress(DecodeError, InvalidTask):
        read_record(_JSON.loads(data))


def other_serializers(data: bytes) -> None:
    """msgpack and YAML."""
    for serializer in (_MSGPACK, _YAML):
        with contextlib.suppress(DecodeError):
            serializer.loads(data)


def amqp_properties(data: bytes) -> None:
    """Properties, with their tables; and a message in a queue, which is one or has a reason."""
    with contextlib.suppress(*MALFORMED):
        read_properties(data)
    found, added = read(Incoming("0.1", 1, False, "", "q", data, data), "q")
    assert isinstance(found, (Message, Undecodable))
    assert isinstance(added, dict)


def amqp_frames(data: bytes) -> None:
    """What a server sends: it is understood, or the connection ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours)
        wire.channels[1] = Channel(wire, 1)
        theirs.sendall(data[:60_000])
        with contextlib.suppress(Down, Refused):
            wire.pump(lambda: True, time.monotonic())
            wire.peek()


def sqs_body(data: bytes) -> None:
    """The body of a message in SQS."""
    found, size = read_sqs(data.decode("utf-8", "surrogateescape"))
    assert isinstance(found, (Message, Undecodable))
    assert size >= 0


def mongo_document(data: bytes) -> None:
    """A result in MongoDB: the same in each of its forms."""
    texts: list[Any] = [data, data.decode("utf-8", "replace"), len(data) << 40, [data.hex()]]
    with contextlib.suppress(bson.InvalidBSON):
        texts.append(bson.decode(data))
    for value in texts:
        with contextlib.suppress(BackendError):
            _DOCUMENTS.read({"_id": "i", "status": "SUCCESS", "result": value, "date_done": value})


def file_label(data: bytes) -> None:
    """The name of a file in the folder of a queue."""
    text = data.decode("utf-8", "surrogateescape")[:255]
    label, lent = read_label(text), read_lent(text)
    assert label is None or read_label(str(label)) == label
    assert lent is None or read_lent(str(lent)) == lent


MORE: Final[Mapping[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        *(remote_control, event, group_member, workflow, other_serializers, amqp_properties, amqp_frames),
        *(sqs_body, mongo_document, file_label),
    )
}


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return bytes([kind]) + channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") + payload + b"\xce"


_PROPERTIES = pack_properties(
    {"content_type": "application/json", "headers": {"task": "t", "n": 1, "x-death": []}, "priority": 3}
)
_DELIVER = m.method(m.BASIC_DELIVER, b"\x030.1" + (1).to_bytes(8, "big") + b"\x00\x00\x01q")
_CONTENT = (60).to_bytes(2, "big") + b"\0\0" + (2).to_bytes(8, "big") + _PROPERTIES
MORE_SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "remote_control": (
        b'{"method":"ping","arguments":{},"reply_to":{"exchange":"reply.celery.pidbox","routing_key":"k"}}',
        b'{"w@h":{"ok":"pong"}}',
    ),
    "event": (b'{"type":"task-received","uuid":"i","hostname":"h","timestamp":1.5}', b'[{"type":"x"}]'),
    "group_member": (write_end(End("i", 1, "SUCCESS", b"[1]")), b'{"result":["g",null]}'),
    "workflow": (
        f'{{"v":{VERSION},"flow":[["i",0],{{"id":"g","members":[[["j",0]]]}}],"names":["t"]}}'.encode(),
    ),
    "other_serializers": (_MSGPACK.dumps([1, {"a": None}]), b"- 1\n- a: {b: [x, 2.5]}\n"),
    "amqp_properties": (_PROPERTIES,),
    "amqp_frames": (
        2 * (_frame(1, 1, _DELIVER) + _frame(2, 1, _CONTENT) + _frame(3, 1, b"{}")) + _frame(8, 0, b""),
        _frame(1, 1, m.method(m.CHANNEL_CLOSE, b"\x01\x90\x03bad\x00\x00\x00\x00")),
    ),
    "sqs_body": (
        b"eyJib2R5IjoiZTMwPSIsImhlYWRlcnMiOnt9LCJwcm9wZXJ0aWVzIjp7fX0=",
        b'{"body":"e30=","headers":{}}',
    ),
    "mongo_document": (b'{"a":1}', bson.encode({"x": [1, "2"]})),
    "file_label": (str(new_label(3, 1)).encode(), f"1.0.q.{new_label(None, 2)}".encode()),
}
