"""Patterns of routing keys, as AMQP's topic exchanges read them: words between dots, `*` is one, `#` any number."""

from __future__ import annotations

import re
from collections.abc import Callable


def matcher(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a routing key fits."""
    if pattern == "#":
        return lambda routing_key: True
    if "*" not in pattern and "#" not in pattern:
        return pattern.__eq__
    found = re.compile(_expression(pattern)).fullmatch
    return lambda routing_key: found(f".{routing_key}") is not None


def _expression(pattern: str) -> str:
    # With a dot before each word, also the first, a `#` that stands for no word takes its dot along.
    words = {"*": r"\.[^.]+", "#": r"(?:\.[^.]*)*"}
    return "".join(words.get(word, rf"\.{re.escape(word)}") for word in pattern.split("."))
