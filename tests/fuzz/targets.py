"""The targets: plain functions over bytes, which raise for what must not happen and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Final

from tests.fuzz.decoders import MORE, MORE_SEEDS
from tq.errors import BackendError, DecodeError, EncodeError, InvalidTask, SerializationError
from tq.records import Delivery, Envelope, Message
from tq.wire.compression import compress, decompress
from tq.wire.envelope import pack, unpack
from tq.wire.exceptions import exception_document, rebuild_exception
from tq.wire.json import JsonSerializer
from tq.wire.protocol import TaskCall, identify, read_task, write_task
from tq.wire.result_document import read_document
from tq.worker.execute import Executor
from tq_auth.frame import pack as pack_signed
from tq_auth.frame import unpack as unpack_signed
from tq_sql.results import to_meta

_JSON = JsonSerializer()
_READERS = {_JSON.content_type: _JSON}
_LIMIT = 65_536
_METHODS = ("application/x-gzip", "application/x-bz2", "application/x-lzma")
_BLOBS = ("result", "children", "args", "kwargs", "stamps")
_COLUMNS = (*_BLOBS, "date_done", "traceback", "name", "worker", "queue", "retries")


def envelope(data: bytes) -> None:
    """Bytes from a queue: a message or a reason; and a message can be put back."""
    read = unpack(data)
    if isinstance(read, Message):
        try:
            again = unpack(pack(Envelope(read, "q")))
        except EncodeError:
            return
        assert isinstance(again, Message), again
        assert again.body == read.body


def task(data: bytes) -> None:
    """An envelope, and a bare body: a call, or one of the errors that are promised; and a worker goes on."""
    executor = Executor({}, _READERS, _LIMIT, freeze=lambda value: value)
    for message in (unpack(data), Message({"task": "t", "id": "i"}, {}, data), Message({}, {}, data)):
        if isinstance(message, Message):
            try:
                read_task(message, _READERS, size_limit=_LIMIT)
            except (InvalidTask, SerializationError):
                identify(message)
        run = executor.admit(Delivery(message, "q", 1))
        assert executor.conclude(run).reason


def json_value(data: bytes) -> None:
    """JSON in kombu's dialect; what was read can be written, or not, but nothing else happens."""
    try:
        value = _JSON.loads(data)
    except DecodeError:
        return
    try:
        _JSON.dumps(value)
    except EncodeError:
        return


def compressed(data: bytes) -> None:
    """Each method: never more than the limit."""
    for method in _METHODS:
        try:
            assert len(decompress(data, method, limit=_LIMIT)) <= _LIMIT
        except DecodeError:
            continue


def exception(data: bytes) -> None:
    """A failure document: always an exception that can be printed."""
    try:
        document = _JSON.loads(data)
    except DecodeError:
        return
    error = rebuild_exception(document)
    assert isinstance(error, Exception)
    assert isinstance(repr(error) + str(error), str)


def redis_document(data: bytes) -> None:
    """A result in Redis."""
    try:
        assert read_document("i", data, _JSON).status
    except BackendError:
        return


def sql_row(data: bytes) -> None:
    """A result in tables: the same bytes in each of its blobs."""
    for name in _BLOBS:
        row = SimpleNamespace(task_id="i", status=None, **{**dict.fromkeys(_COLUMNS), name: data})
        try:
            assert to_meta(row, _JSON).status == "PENDING"
        except DecodeError:
            continue


def signed(data: bytes) -> None:
    """A signed message: taken apart and put together it is what it was."""
    try:
        frame = unpack_signed(data)
    except DecodeError:
        return
    assert unpack_signed(pack_signed(frame)) == frame


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (envelope, task, json_value, compressed, exception, redis_document, sql_row, signed)
} | dict(MORE)

_CALL = TaskCall(
    id="i",
    task="t",
    args=[1, None],
    kwargs={"k": 1.5},
    eta="2030-01-01T00:00:00+00:00",
    callbacks=[{"task": "u"}],
)
_MESSAGE = pack(Envelope(write_task(_CALL, _JSON), "q"))
_ERROR = json.dumps(exception_document(KeyError("x", 1))).encode()
SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "envelope": (_MESSAGE, b'{"body":"x","properties":{},"headers":{}}'),
    "task": (_MESSAGE, b'[[1],{"k":2},{"chain":[{"task":"t"}]}]', b'{"task":"t","id":"i","args":[1]}'),
    "json_value": (
        b'{"__type__":"datetime","__value__":"2030-01-01T00:00:00"}',
        b'[{"__type__":"uuid","__value__":{"hex":"00000000000000000000000000000000"}},NaN,-1e5,"\\ud800"]',
        b'{"__type__":"decimal","__value__":"1.5"}',
        b'{"__type__":"base64","__value__":"AAA="}',
    ),
    "compressed": tuple(compress(b"[" * 100, method)[0] for method in _METHODS),
    "exception": (_ERROR, b'{"exc_type":"TQError.x","exc_module":"tq.errors","exc_message":"m"}'),
    "redis_document": (
        b'{"status":"SUCCESS","result":3,"traceback":null,"children":[],"task_id":"i"}',
        b'{"\\ud800status":"SUCCESS","result":3}',
        b"\x00celery-compressed\x00application/x-gzip\x00" + compress(b'{"status":"FAILURE"}', "gzip")[0],
    ),
    "sql_row": (b"[[1,2],{}]", b'{"stamps":{"group_id":"g"}}'),
    **MORE_SEEDS,
    "signed": (b"ZDJWaQABQUFBQQABYXBwbGljYXRpb24vanNvbgABdXRmLTgAAXt9",),
}
