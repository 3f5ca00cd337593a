"""One call of a task, as it stands in a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MAX_NAME = 1024
"""Characters a task name and a task id may have."""

Signatures = list[dict[str, Any]] | None


class TaskCall(msgspec.Struct, frozen=True):
    """One call of a task, read from a message or to be written to one.

    Durations are seconds; `eta` and `expires` are ISO 8601 text (`parse_iso` reads them). `chain` holds the
    rest of a chain with the next step last. `ignore_result` None: the message does not say.
    `headers` are all headers as received; for writing, the user's own (the protocol's fields win over them).
    `serializer` is the name of what the body was read with.
    """

    id: str
    task: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}
    callbacks: Signatures = None
    errbacks: Signatures = None
    chain: Signatures = None
    chord: dict[str, Any] | None = None
    eta: str | None = None
    expires: str | None = None
    retries: int = 0
    time_limit: float | None = None
    soft_time_limit: float | None = None
    group: str | None = None
    group_index: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    shadow: str | None = None
    ignore_result: bool | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    origin: str | None = None
    replaced_task_nesting: int = 0
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] = {}
    priority: int | None = None
    headers: Mapping[str, Any] = {}
    compression: str | None = None
    serializer: str | None = None
