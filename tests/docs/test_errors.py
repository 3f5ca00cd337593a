"""docs/errors.md explains every error, and no other."""

from __future__ import annotations

import re

import pytest

import tq.errors
from tests.docs.pages import DOCS

PAGE = (DOCS / "errors.md").read_text("utf-8")
NAMES = [
    name
    for name, value in vars(tq.errors).items()
    if isinstance(value, type) and value.__module__ == "tq.errors"
]
BASES = {"TQError", "TaskError", "SerializationError"}
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(NAMES) - BASES))
def test_an_error_has_one_line_that_says_what_it_means(name: str) -> None:
    [meaning] = [meaning for listed, meaning in ROWS if listed == name]
    assert len(meaning) > 10


@pytest.mark.parametrize("name", sorted(BASES))
def test_a_base_is_explained_below_the_tables(name: str) -> None:
    assert f"`{name}`" in PAGE.partition("## The bases")[2]


def test_no_line_is_about_an_error_that_does_not_exist() -> None:
    assert {name for name, _ in ROWS} <= set(NAMES)


def test_errors_that_are_of_a_class_of_python_too_are_so() -> None:
    said = re.findall(r"^\| `(\w+)` \| [^|]*?also a `(\w+)`", PAGE, re.MULTILINE)
    assert len(said) == 3
    for name, builtin in said:
        assert issubclass(getattr(tq.errors, name), getattr(__import__("builtins"), builtin))
