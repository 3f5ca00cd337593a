"""What a task message's headers and embed must look like: checked in one pass by `msgspec.convert`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tq.wire.call import MAX_NAME, Signatures

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
_Id = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_Moment = Annotated[str, msgspec.Meta(max_length=64)]
_Limit = msgspec.Meta(ge=0, le=2**31 - 1)
_Count = Annotated[int, _Limit]
_Seconds = Annotated[int, _Limit] | Annotated[float, _Limit] | None


class Headers(msgspec.Struct, frozen=True):
    """The headers of version 2 that mean something to a worker; the body of version 1 has the same names."""

    id: _Name
    task: _Name
    eta: _Moment | None = None
    expires: _Moment | None = None
    retries: _Count | None = None
    timelimit: tuple[_Seconds, _Seconds] | None = None
    group: _Id | None = None
    group_index: int | None = None
    root_id: _Id | None = None
    parent_id: _Id | None = None
    ignore_result: bool | None = None
    replaced_task_nesting: _Count | None = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    # For logs only, so odd values are no reason to refuse the task.
    shadow: Any = None
    argsrepr: Any = None
    kwargsrepr: Any = None
    origin: Any = None


class Embed(msgspec.Struct, frozen=True):
    callbacks: Signatures = None
    errbacks: Signatures = None
    chain: Signatures = None
    chord: dict[str, Any] | None = None


def text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def usable(value: Any) -> str | None:
    """The value if it can serve as a name or an id."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME and encodable(value) else None


def encodable(text: str) -> bool:
    """Whether the text has bytes; JSON can spell lone surrogates, and stores cannot take them as keys."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def priority_or_none(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= 255 else None
