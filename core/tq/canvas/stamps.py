"""Stamps among the options of a call: `stamped_headers` names them, and each is an option of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tq.errors import InvalidTask

NAMES = "stamped_headers"
_PLACES = frozenset(
    {"chain", "chord", "group_id", "group_index", "link", "link_error", "parent_id", "root_id", "task_id"}
)


def names_of(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the stamps, each once."""
    names = options.get(NAMES)
    if not names:
        return ()
    return tuple(
        dict.fromkeys(names if isinstance(names, Iterable) and not isinstance(names, str) else (names,))
    )


def stamps_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The stamps of a call; a name without a value is none."""
    return {name: value for name in names_of(options) if (value := options.get(name)) is not None}


def with_names(stamps: Mapping[str, Any]) -> dict[str, Any]:
    """Stamps with the list of their names; where there is one, it says which of them are stamps.

    Raises `InvalidTask` for names that the places of calls in workflows have.
    """
    if taken := _PLACES.intersection(stamps):
        raise InvalidTask(
            f"a stamp needs another name than {min(taken)!r}, which is an option that workflows use"
        )
    if not stamps or NAMES in stamps:
        return dict(stamps)
    return {NAMES: list(stamps), **stamps}


def both(first: Mapping[str, Any], then: Mapping[str, Any], append: bool) -> dict[str, Any]:
    """All of both. Where both have a stamp the first stands, or with `append` a list of the two; lists and
    dictionaries are joined in any case."""
    found = dict(first)
    for name, value in then.items():
        found[name] = _joined(found[name], value, append) if name in found else value
    return found


def _joined(first: Any, then: Any, append: bool) -> Any:
    if isinstance(first, dict) and isinstance(then, Mapping):
        return both(first, then, append)
    if not append and not (isinstance(first, list) and isinstance(then, list)):
        return first
    found = _listed(first)
    return found + [value for value in _listed(then) if value not in found]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]


def with_stamps(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with more options. The stamps of both count, and nothing changes one that is there."""
    if NAMES not in own:
        return {**own, **given}
    kept = stamps_of(own)
    names = [*kept, *(name for name in names_of(given) if name not in kept)]
    return {**own, **{name: value for name, value in given.items() if name not in kept}, NAMES: names}


def apart(options: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The options without the values of stamps, and these."""
    if NAMES not in options:
        return options, {}
    stamps = stamps_of(options)
    rest = {name: value for name, value in options.items() if name not in stamps and name != NAMES}
    return rest, stamps
