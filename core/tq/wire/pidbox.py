"""Remote control on the wire: requests to all workers over a fanout, replies over a direct channel.

A request is `{"method", "arguments", "destination", "pattern", "matcher"}`, and with `"ticket"` and `"reply_to"` it wants
replies of the form `{node name: reply}`. Source: kombu 5.7, `kombu.pidbox`.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tq.errors import DecodeError, InvalidTask
from tq.records import Channel, Message, Notice, Undecodable
from tq.wire.json import JsonSerializer
from tq.wire.saferepr import saferepr

NAMESPACE: Final = "celery"
REQUESTS: Final = Channel(f"{NAMESPACE}.pidbox", "fanout")
REPLIES: Final = Channel(f"reply.{NAMESPACE}.pidbox", "direct")
LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a request or reply that are read at all."""
LONGEST_PATTERN: Final = 200
"""Characters of a pattern of node names."""
STALE: Final = 60.0
"""Seconds by which clocks may differ, before a request counts as too old."""

_json: Final = JsonSerializer()


class Control(msgspec.Struct, frozen=True):
    """One request. `arguments` go to the command by name; no `reply_to`: nobody waits for a reply."""

    method: str
    arguments: dict[str, Any] = {}
    destination: list[str] | None = None
    pattern: str | None = None
    matcher: str | None = None
    ticket: str | None = None
    reply_to: str | None = None
    """The routing key of replies."""

    def is_for(self, node: str) -> bool:
        """Whether that worker is meant. Raises `DecodeError` for a pattern that is none."""
        if self.destination:
            return node in self.destination
        if self.pattern and self.matcher:
            return _matches(node, self.pattern, self.matcher)
        return True


def request_notice(control: Control, clock: int, expires: float) -> Notice:
    """The announcement of a request; `expires`: unix time, 0 for never. Raises `EncodeError`."""
    content: dict[str, Any] = {
        "method": control.method,
        "arguments": control.arguments,
        "destination": control.destination,
        "pattern": control.pattern,
        "matcher": control.matcher,
    }
    if control.reply_to is not None:
        content["ticket"] = control.ticket
        content["reply_to"] = {"exchange": REPLIES.name, "routing_key": control.reply_to}
    return Notice(REQUESTS, _message(content, {"clock": clock, "expires": expires}))


def reply_notice(node: str, reply: Any, control: Control, clock: int) -> Notice:
    """The announcement of a reply. What has no form in JSON is written as its `repr`."""
    return Notice(
        REPLIES,
        _message({node: plain(reply)}, {"ticket": control.ticket, "clock": clock}),
        control.reply_to or "",
    )


def read_request(message: Message | Undecodable) -> Control:
    """Read a request. Raises `DecodeError` for anything that is none, or is too old."""
    content = _content(message)
    assert isinstance(message, Message)
    expires = message.headers.get("expires")
    if isinstance(expires, (int, float)) and 0 < expires < time.time() - STALE:
        raise DecodeError(f"the request {saferepr(content.get('method'), 100)} came too late")
    reply_to = content.pop("reply_to", None)
    if isinstance(reply_to, dict) and reply_to.get("exchange") == REPLIES.name:
        content["reply_to"] = reply_to.get("routing_key")
    content["arguments"] = content.get("arguments") or {}
    try:
        return msgspec.convert(content, Control)
    except (msgspec.ValidationError, UnicodeError) as exc:
        raise DecodeError(f"not a request of remote control: {exc}") from exc


def read_reply(message: Message | Undecodable) -> tuple[str | None, dict[str, Any]]:
    """The ticket of a reply, and the reply by node. Raises `DecodeError`."""
    content = _content(message)
    assert isinstance(message, Message)
    ticket = message.headers.get("ticket")
    return ticket if isinstance(ticket, str) else None, content


def plain(value: Any) -> Any:
    """The value as JSON can hold it; what it cannot becomes its `repr`, shortened."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return saferepr(value)


def _message(content: Any, headers: dict[str, Any]) -> Message:
    return Message(headers, {"delivery_mode": 2}, _json.dumps(content))


def _content(message: Message | Undecodable) -> dict[str, Any]:
    if isinstance(message, Undecodable):
        raise DecodeError(f"not a message: {message.reason}")
    if message.content_type != "application/json":
        raise DecodeError(f"remote control is JSON, not {saferepr(message.content_type, 100)}")
    if len(message.body) > LARGEST:
        raise DecodeError(f"{len(message.body)} bytes are too many for remote control")
    content = _json.loads(message.body)
    if not isinstance(content, dict):
        raise DecodeError("not an object")
    return content


def _matches(node: str, pattern: str, matcher: str) -> bool:
    if len(pattern) > LONGEST_PATTERN:
        raise DecodeError(f"a pattern of {len(pattern)} characters is too long")
    if matcher == "glob":
        return fnmatch.fnmatchcase(node, pattern)
    if matcher == "pcre":
        try:
            return re.match(pattern, node) is not None
        except re.error as exc:
            raise DecodeError(f"not a regular expression: {exc}") from exc
    raise DecodeError(f"unknown matcher {saferepr(matcher, 100)}; known: glob, pcre")


def check_destination(destination: Sequence[str] | None) -> list[str] | None:
    """Node names as a list. Raises `InvalidTask` for a single text, whose letters would be taken for names."""
    if destination is None:
        return None
    if isinstance(destination, str) or not all(isinstance(node, str) for node in destination):
        raise InvalidTask(f"destination must be a list of node names, not {destination!r}")
    return list(destination)
