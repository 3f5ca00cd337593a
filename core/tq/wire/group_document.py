"""What stores keep of a group as bytes: how members ended, what follows them, and the ids of saved groups.

Celery writes a saved group as `{"result": structure}`. Source: Celery 5.7, `celery.backends.base`,
`KeyValueStoreBackend._save_group`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tq.contracts.serializer import Serializer
from tq.errors import BackendError, SerializationError
from tq.records import GroupPart


class End(msgspec.Struct, frozen=True, array_like=True):
    """How a member ended; `result` is written by the serializer of the back end."""

    task_id: str
    index: int
    status: str
    result: bytes


_END = msgspec.msgpack.Decoder(End)


def end_of(part: GroupPart, serializer: Serializer) -> End:
    """The end that a part tells of. Raises `BackendError`."""
    return End(part.task_id, part.index, part.status, write_value(part.result, serializer))


def write_end(end: End) -> bytes:
    """The bytes of an end."""
    return msgspec.msgpack.encode(end)


def read_end(group_id: str, raw: bytes) -> End:
    """An end that was written. Raises `BackendError`."""
    try:
        return _END.decode(raw)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise unreadable_member(group_id, exc) from exc


def part_of(group_id: str, end: End, serializer: Serializer) -> GroupPart:
    """The part that an end tells of. Raises `BackendError`."""
    return GroupPart(
        group_id, end.index, end.task_id, end.status, read_value(group_id, end.result, serializer)
    )


def write_value(value: Any, serializer: Serializer) -> bytes:
    """What a member returned, or what follows a group. Raises `BackendError`."""
    try:
        return serializer.dumps(value)
    except SerializationError as exc:
        raise BackendError(f"a member of a group cannot be stored: {exc}") from exc


def read_value(group_id: str, raw: bytes, serializer: Serializer) -> Any:
    """What `write_value` wrote. Raises `BackendError`."""
    try:
        return serializer.loads(raw)
    except SerializationError as exc:
        raise unreadable_member(group_id, exc) from exc


def write_saved(structure: Any, serializer: Serializer) -> bytes:
    """The ids of a group, in Celery's form. Raises `BackendError`."""
    return write_value({"result": structure}, serializer)


def read_saved(group_id: str, raw: bytes, serializer: Serializer) -> Any:
    """The ids of a group that tq or Celery saved. Raises `BackendError`."""
    try:
        return serializer.loads(raw)["result"]
    except (SerializationError, TypeError, KeyError) as exc:
        raise BackendError(f"the saved group {group_id} cannot be read: {exc}") from exc


def unreadable_member(group_id: str, exc: Exception) -> BackendError:
    """What to raise where a member's bytes are no such."""
    return BackendError(f"a member of group {group_id} cannot be read: {exc}")
