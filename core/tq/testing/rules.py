"""The rules of a suite, as people read them: the tests' names are sentences, and their docstrings say why."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """One rule. `area` is what it is about, `reason` why it is there."""

    name: str
    area: str
    reason: str

    @property
    def sentence(self) -> str:
        return self.name.removeprefix("test_").replace("_", " ")


def rule_of(test: Callable[..., Any]) -> Rule:
    """The rule that a test of a suite stands for.

    The reason is the test's docstring, else what the module of the test says of all its rules.
    """
    about = inspect.getdoc(sys.modules[test.__module__]) or ""
    area, _, summary = about.partition("\n")[0].partition(": ")
    own = inspect.getdoc(test)
    return Rule(test.__name__, area, " ".join((own or summary).split()))


def rules_of(suite: type) -> Iterator[Rule]:
    """All rules of a suite, in the order in which they are tested."""
    for base in reversed(suite.__mro__):
        for name, value in vars(base).items():
            if name.startswith("test_"):
                yield rule_of(value)
