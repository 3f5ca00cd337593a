"""A repr for logs and events: bounded in time and size, and it never raises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

_CONSTANTS = frozenset({float, bool, type(None)})
_ENTERED = frozenset({list, tuple, dict})
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
}
_MAX_LEVELS = 4
_MAX_BITS = 4096
_SHORT = 32
"""Items of a collection, and characters of a text, that plain `repr` may handle at once."""
_MORE = "..."


def saferepr(value: Any, limit: int = 1024) -> str:
    """`repr(value)` in at most `limit` characters, with `...` where something was left out.

    Deep nesting, cycles, huge collections and a `__repr__` that raises are shown in short. Only built-in
    collections are entered; what the `__repr__` of another class costs by itself cannot be bounded.
    """
    text = repr(value) if _is_short(value, 0) else "".join(_pieces(value, limit, 0))
    return text if len(text) <= limit else f"{text[: max(limit - len(_MORE), 0)]}{_MORE}"


def _is_short(value: Any, level: int) -> bool:
    """Whether plain `repr` is safe and cheap, as it is for nearly every call."""
    kind = type(value)
    if kind in _CONSTANTS:
        return True
    if kind is int:
        return bool(value.bit_length() < _MAX_BITS)
    if kind is str:
        return len(value) <= _SHORT
    if kind not in _ENTERED or level == 2 or len(value) > _SHORT:
        return False
    for item in (*value, *value.values()) if kind is dict else value:
        # What most arguments are is looked at here, which spares a call for each.
        kind = type(item)
        if kind is int:
            if item.bit_length() >= _MAX_BITS:
                return False
        elif kind is str:
            if len(item) > _SHORT:
                return False
        elif not _is_short(item, level + 1):
            return False
    return True


def _pieces(value: Any, budget: int, level: int) -> list[str]:
    """The repr in pieces of about `budget` characters together."""
    kind = type(value)
    if kind in _CONSTANTS:
        return [repr(value)]
    if kind is int:
        bits = value.bit_length()
        return [repr(value) if bits < _MAX_BITS else f"<int of {bits} bits>"]
    if kind is str or kind is bytes:
        return [repr(value) if len(value) <= budget else f"{value[:budget]!r}{_MORE}"]
    if kind not in _BRACKETS:
        return [_repr_object(value, budget)]
    if kind is set and not value:
        return ["set()"]
    opening, closing = _BRACKETS[kind]
    if value and level >= _MAX_LEVELS:
        return [opening, _MORE, closing]
    closing = ",)" if kind is tuple and len(value) == 1 else closing
    return [opening, *_joined(_items(value, budget, level), budget), closing]


def _items(value: Any, budget: int, level: int) -> Iterator[list[str]]:
    # A copy, for another thread may change the collection; more items than characters cannot be shown.
    if type(value) is dict:
        for key, item in list(islice(value.items(), budget + 1)):
            yield [*_pieces(key, budget, level + 1), ": ", *_pieces(item, budget, level + 1)]
    else:
        for item in list(islice(value, budget + 1)):
            yield _pieces(item, budget, level + 1)


def _joined(items: Iterable[list[str]], budget: int) -> list[str]:
    """The items with commas between them, until `budget` characters are used."""
    out: list[str] = []
    used = 0
    for item in items:
        if used >= budget:
            return [*out, ", ", _MORE]
        if out:
            out.append(", ")
        out.extend(item)
        used += 2 + sum(map(len, item))
    return out


def _repr_object(value: object, budget: int) -> str:
    try:
        text = repr(value)
    except Exception as exc:  # noqa: BLE001 - the user's code may raise anything, and a log line must come
        return f"<{type(value).__qualname__}: its repr raised {type(exc).__name__}>"
    return text if len(text) <= budget else f"{text[:budget]}{_MORE}"
