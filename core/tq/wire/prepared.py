"""Messages of calls that differ in little: what is the same in all of them is written once.

A thousand calls of one task differ in their ids, arguments and what stands for these in logs; the other nine tenths of
a message of protocol 2 are the same. A `Template` keeps them, and `tq.wire.envelope.pack` puts both together, byte
for byte what it makes of a message that was written by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tq.contracts.serializer import Serializer
from tq.records import Message
from tq.wire.call import TaskCall
from tq.wire.json import JsonSerializer
from tq.wire.saferepr import saferepr
from tq.wire.writer import write_task

# The fields that the record below inherits keep what was made once.
_headers: Final[Any] = Message.headers
_properties: Final[Any] = Message.properties


class Prepared(Message, frozen=True, gc=False):
    """A message whose `headers` and `properties` are made when they are asked for, and may be changed from then on."""

    template: Template | None = None
    id: str = ""
    argsrepr: str = ""
    kwargsrepr: str = ""
    index: int | None = None

    @property  # type: ignore[misc]
    def headers(self) -> dict[str, Any]:
        """All headers."""
        self._make()
        found: dict[str, Any] = _headers.__get__(self)
        return found

    @property  # type: ignore[misc]
    def properties(self) -> dict[str, Any]:
        """All properties."""
        self._make()
        found: dict[str, Any] = _properties.__get__(self)
        return found

    @property
    def untouched(self) -> bool:
        """Whether nobody has looked at headers or properties, which could have been changed then."""
        return _headers.__get__(self) is None and _properties.__get__(self) is None

    def _make(self) -> None:
        if self.template is None:
            return
        if _properties.__get__(self) is None:
            _properties.__set__(self, self.template.properties_of(self.id))
        if _headers.__get__(self) is None:
            _headers.__set__(self, self.template.headers_of(self))


class Template:
    """What calls like this one have in common. They may differ in ids, arguments, and their places in a group.

    `written` belongs to `tq.wire.envelope`: the text around what differs, for the queue that it was written for last.
    """

    __slots__ = ("_embed", "_headers", "_properties", "_serializer", "own_root", "written")

    def __init__(self, call: TaskCall, serializer: JsonSerializer) -> None:
        model = write_task(msgspec.structs.replace(call, args=(), kwargs={}), serializer)
        self._serializer = serializer
        self._headers = model.headers
        self._properties = model.properties
        self._embed = model.body.removeprefix(b"[[],{}")
        self.own_root: bool = not call.root_id or call.root_id == call.id
        self.written: tuple[Any, bytes] = (None, b"")

    def message(
        self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], index: int | None = None
    ) -> Prepared:
        """The message of one call. Raises `EncodeError` for arguments that the serializer cannot write."""
        serializer = self._serializer
        return Prepared(
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            serializer.dumps((args, kwargs))[:-1] + self._embed,
            serializer.content_type,
            serializer.content_encoding,
            self,
            task_id,
            saferepr(args),
            saferepr(kwargs) if kwargs else "{}",
            index,
        )

    def headers_of(self, message: Prepared) -> dict[str, Any]:
        """The headers of one call's message, nothing in them shared with another."""
        common = self._headers
        own = {
            "id": message.id,
            "group_index": message.index,
            "argsrepr": message.argsrepr,
            "kwargsrepr": message.kwargsrepr,
            "timelimit": list(common["timelimit"]),
            "stamped_headers": common["stamped_headers"] and list(common["stamped_headers"]),
            "stamps": {name: _copied(value) for name, value in common["stamps"].items()},
        }
        if self.own_root:
            own["root_id"] = message.id
        return common | own

    def properties_of(self, task_id: str) -> dict[str, Any]:
        """Their properties."""
        return self._properties | {"correlation_id": task_id}


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def template_of(call: TaskCall, serializer: Serializer) -> Template | None:
    """The template of calls like this one; None where more than a template knows depends on the single call."""
    if (
        type(serializer) is not JsonSerializer
        or call.headers
        or call.eta
        or call.expires
        or call.correlation_id
    ):
        return None
    return Template(call, serializer) if call.argsrepr is None and call.kwargsrepr is None else None


def id_of(message: Message) -> Any:
    """The id of the task, without a look at the headers where it is known."""
    return message.id if type(message) is Prepared else message.headers.get("id")
