"""The public modules export what they say, and the error tree is whole."""

from __future__ import annotations

import importlib
import inspect
import types

import pytest

import tq.errors

PUBLIC = ["tq", "tq.contracts", "tq.testing"]
ERRORS = [
    error
    for _, error in inspect.getmembers(tq.errors, inspect.isclass)
    if error.__module__ == tq.errors.__name__ and issubclass(error, Exception)
]


@pytest.mark.parametrize("name", PUBLIC)
def test_all_names_exactly_what_a_public_module_offers(name: str) -> None:
    module = importlib.import_module(name)
    offered = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and not isinstance(value, types.ModuleType)
        and key not in {"annotations", "TYPE_CHECKING"}
    }
    assert {word for word in module.__all__ if not word.startswith("_")} >= offered
    assert [word for word in module.__all__ if not hasattr(module, word)] == []
    assert list(module.__all__) == sorted(set(module.__all__), key=module.__all__.index), (
        "a name is listed twice"
    )


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error.__name__))
def test_the_picture_of_the_errors_shows_each_below_its_base(error: type[Exception]) -> None:
    lines = (tq.errors.__doc__ or "").splitlines()
    [line] = [line for line in lines if error.__name__ in line.replace(",", " ").split()]
    base = next(b for b in error.__mro__[1:] if b in ERRORS or b is Exception)
    if base in ERRORS and base is not tq.errors.TQError:
        depth = line.index(error.__name__)
        above = lines[: lines.index(line)]
        parent = next(text for text in reversed(above) if _depth(text) < depth)
        assert base.__name__ in parent


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip("│├└─ "))
