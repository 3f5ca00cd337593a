"""The seal of a task's body: when it was signed, for which message, and a number that is used once.

The signature covers the body only, and the body of a task does not name the task. So a seal is put into the
body beside the callbacks, where Celery ignores it: `{"tq_seal": {"at", "nonce", "headers"}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tq.errors import DecodeError, InvalidTask
from tq.wire.ids import new_id
from tq.wire.protocol import parse_iso
from tq_auth.ran import Ran

FIELD: Final = "tq_seal"
NONCE: Final = "tq_nonce"
"""The header that repeats the seal's nonce, for who sees the headers only."""
BOUND: Final = (
    "id",
    "task",
    "eta",
    "expires",
    "retries",
    "timelimit",
    "group",
    "group_index",
    "root_id",
    "parent_id",
    "ignore_result",
    "replaced_task_nesting",
    NONCE,
)
"""The headers that a worker acts upon."""
SKEW: Final = 60.0
"""Seconds by which the clocks of signer and reader may differ."""


class Seal(msgspec.Struct, frozen=True):
    """`at`: unix seconds; `headers`: those of `BOUND` that say something."""

    at: float
    nonce: str
    headers: dict[str, Any]


def sealed(value: Any, headers: dict[str, Any], now: float) -> Any:
    """`[args, kwargs, embed]` with a seal for these headers, to which the nonce is added."""
    args, kwargs, embed = value
    headers[NONCE] = nonce = new_id()
    seal = {"at": now, "nonce": nonce, "headers": _bound(headers)}
    return args, kwargs, {**embed, FIELD: seal}


def opened(body: Any, headers: Mapping[str, Any], window: float | None, now: float, ran: Ran) -> Any:
    """A verified body without its seal.

    With `window` (seconds) there has to be a seal, younger than that, and its message may not have run in this
    process. Raises `DecodeError`.
    """
    if not (isinstance(body, list) and len(body) == 3 and isinstance(body[2], dict) and FIELD in body[2]):
        _check_unsealed(body, headers, window)
        return body
    args, kwargs, embed = body
    seal = _read(embed[FIELD])
    _check_headers(seal.headers, headers)
    if window is not None:
        _check_age(seal, window, now)
        if seal.nonce in ran:
            raise DecodeError("this signed message ran in this process already: it is a copy, and refused")
    return [args, kwargs, {name: item for name, item in embed.items() if name != FIELD}]


def _bound(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: headers[name] for name in BOUND if headers.get(name) is not None}


def _read(found: Any) -> Seal:
    try:
        return msgspec.convert(found, Seal)
    except msgspec.ValidationError as exc:
        raise DecodeError(f"the seal of the signed message cannot be read: {exc}") from exc


def _check_headers(signed: Mapping[str, Any], headers: Mapping[str, Any]) -> None:
    here = _bound(headers)
    if here != signed:
        changed = [name for name in BOUND if here.get(name) != signed.get(name)]
        raise DecodeError(f"headers were changed after signing: {', '.join(changed) or 'unknown ones'}")


def _check_age(seal: Seal, window: float, now: float) -> None:
    eta = seal.headers.get("eta")
    try:
        begins = max(seal.at, parse_iso(eta) if isinstance(eta, str) else 0.0)
    except InvalidTask as exc:
        raise DecodeError(f"the seal of the signed message cannot be read: {exc}") from exc
    if now > begins + window + SKEW:
        raise DecodeError(
            f"signed for a time {now - begins:.0f} seconds ago, and security_replay_window is {window:g}: an old "
            "copy, or it waited too long; a longer window lets it run"
        )
    if seal.at > now + SKEW:
        raise DecodeError(f"signed {seal.at - now:.0f} seconds in the future: compare the clocks")


def _check_unsealed(body: Any, headers: Mapping[str, Any], window: float | None) -> None:
    if window is not None:
        raise DecodeError(
            "signed without a seal, as Celery does it, and security_replay_window asks for one; leave that setting "
            "out to take tasks from Celery"
        )
    if isinstance(body, dict) and any(
        body.get(name) != headers.get(name, body.get(name)) for name in ("id", "task")
    ):
        # Without this, any signed object (a result, say) could be made the arguments of any task.
        raise DecodeError("the signed body names another task or id than the headers")
