"""How large a value is when everything in it that is shared is counted as often as it is met.

A few lines of YAML can name a list ten times in a list that is named ten times, and so on: a few hundred bytes, until
somebody writes it as JSON.
"""

from __future__ import annotations

from typing import Any


def grows_beyond(value: Any, most: int) -> bool:
    """Whether it has more items than this, or holds itself. Takes time by what is there, not by what it grows to."""
    sizes: dict[int, int] = {}
    open_ones: set[int] = set()
    stack = [(value, False)]
    while stack:
        found, is_done = stack.pop()
        mark = id(found)
        if is_done:
            open_ones.discard(mark)
            sizes[mark] = size = 1 + sum(sizes.get(id(part), 1) for part in _parts(found))
            if size > most:
                return True
        elif mark in open_ones:
            return True
        elif mark not in sizes and (parts := _parts(found)):
            open_ones.add(mark)
            stack.append((found, True))
            stack.extend((part, False) for part in parts if _parts(part))
    return False


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, (list, tuple, set)) else []
