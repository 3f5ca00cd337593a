"""Result documents as Celery's key-value back ends write them.

    {"status", "result", "traceback", "children", "date_done", "group_id"?, "parent_id"?, extended..., "task_id",
    "stamped_headers"?, stamps...}

Source: Celery 5.7, `celery.backends.base.Backend._get_result_meta` and `KeyValueStoreBackend`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tq.contracts.serializer import Serializer
from tq.errors import BackendError, DecodeError, SerializationError
from tq.records import TaskMeta
from tq.states import SUCCESS
from tq.wire.compression import compress, decompress
from tq.wire.json import JsonSerializer, is_plain

_PLAIN = ("status", "result", "traceback", "children", "date_done")
_OPTIONAL = ("group_id", "parent_id")
_EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue")
_STAMPS = "stamped_headers"
_COMPRESSED = b"\x00celery-compressed\x00"
_LARGEST = 512 * 1024 * 1024
"""Bytes that a compressed document may have when it is read."""


class _Document(msgspec.Struct, frozen=True):
    """What `to_document` makes of the result of a plain task, in the same order."""

    status: str
    result: Any
    traceback: str | None
    children: list[Any] | None
    date_done: str | None
    group_id: str | msgspec.UnsetType
    parent_id: str | msgspec.UnsetType
    task_id: str


_encode = msgspec.json.Encoder().encode


def write_document(meta: TaskMeta, serializer: Serializer) -> bytes:
    """The bytes of a document; its status comes first, which drivers may rely on.

    Raises `BackendError` where the result has no form in the serializer.
    """
    try:
        if type(serializer) is JsonSerializer and meta.name is None and not meta.stamps:
            return _write_json(meta, serializer)
        return serializer.dumps(to_document(meta))
    except SerializationError as exc:
        raise BackendError(f"the result of task {meta.task_id} cannot be stored: {exc}") from exc


def _write_json(meta: TaskMeta, serializer: JsonSerializer) -> bytes:
    unset = msgspec.UNSET
    group, parent = meta.group_id, meta.parent_id
    # A state of its own may bring anything, in any of these.
    values = (meta.result, meta.traceback, meta.date_done, group, parent, meta.status, meta.task_id)
    if meta.children or not is_plain(values):
        return serializer.dumps(to_document(meta))
    document = _Document(
        meta.status,
        meta.result,
        meta.traceback,
        meta.children,
        meta.date_done,
        unset if group is None else group,
        unset if parent is None else parent,
        meta.task_id,
    )
    try:
        return _encode(document)
    except (UnicodeError, RecursionError):
        return serializer.dumps(to_document(meta))


def read_document(task_id: str, raw: bytes, serializer: Serializer) -> TaskMeta:
    """Read a document, also one that Celery wrote or compressed. Raises `BackendError`."""
    try:
        document = serializer.loads(plain_document(raw))
    except (SerializationError, UnicodeError, RecursionError) as exc:
        raise BackendError(f"the stored result of task {task_id} cannot be read: {exc}") from exc
    return from_document(task_id, document)


def to_document(meta: TaskMeta) -> dict[str, Any]:
    """The fields of a document, before they are written."""
    document: dict[str, Any] = {name: getattr(meta, name) for name in _PLAIN}
    for name in _OPTIONAL:
        if getattr(meta, name) is not None:
            document[name] = getattr(meta, name)
    if meta.name is not None:
        document |= {name: getattr(meta, name) for name in _EXTENDED}
    if meta.stamps:
        # Each stamp is a field of its own; what a document needs cannot be one.
        document = {**meta.stamps, **document, _STAMPS: list(meta.stamps)}
        document = {"status": document.pop("status"), **document}
    document["task_id"] = meta.task_id
    return document


def from_document(task_id: str, document: Any) -> TaskMeta:
    """The record of a document that was read. Raises `BackendError`."""
    try:
        if not isinstance(document, dict):
            raise DecodeError("it is no JSON object")
        document = {"task_id": task_id, **document, "stamps": _stamps_of(document)}
        if not isinstance(document.get("traceback"), str):
            # celery-node's workers write the value once more here.
            document["traceback"] = None
        return msgspec.convert(document, TaskMeta)
    except (SerializationError, msgspec.ValidationError, UnicodeError, RecursionError) as exc:
        raise BackendError(f"the stored result of task {task_id} cannot be read: {exc}") from exc


def last_of_each(batch: Sequence[TaskMeta]) -> dict[str, TaskMeta]:
    """What a batch leaves of each task, by id: a SUCCESS stands, whatever comes after it."""
    last = {meta.task_id: meta for meta in batch}
    return last | {meta.task_id: meta for meta in batch if meta.status == SUCCESS}


def plain_document(raw: bytes) -> bytes:
    """What was written before Celery compressed it, if it did. Raises `DecodeError`."""
    if not raw.startswith(_COMPRESSED):
        return raw
    content_type, _, packed = raw[len(_COMPRESSED) :].partition(b"\x00")
    return decompress(packed, content_type.decode("ascii", "replace"), limit=_LARGEST)


def compress_document(raw: bytes, method: str) -> bytes:
    """A document in Celery's compressed form, which `read_document` and Celery 5.7 read.

    Raises `EncodeError` for a method that is unknown or not installed.
    Source: Celery 5.7, `celery.backends.base`, the setting `result_compression`.
    """
    packed, content_type = compress(raw, method)
    return b"%s%s\x00%s" % (_COMPRESSED, content_type.encode("ascii"), packed)


def _stamps_of(document: dict[str, Any]) -> dict[str, Any] | None:
    names = document.get(_STAMPS)
    if not isinstance(names, list):
        return None
    return {name: document[name] for name in names if isinstance(name, str) and name in document} or None
