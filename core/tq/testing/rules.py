"""The rules of a suite, as people read them: the tests' names are sentences, and their docstrings say why."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """One rule. `area` is what it is about, `reason` why it is there; `module` says where it is tested."""

    name: str
    area: str
    reason: str
    module: str

    @property
    def sentence(self) -> str:
        return self.name.removeprefix("test_").replace("_", " ")


def rule_of(test: Callable[..., Any]) -> Rule:
    """The rule that a test of a suite stands for.

    The reason is the test's docstring, else what the module of the test says of all its rules.
    """
    area, summary = area_of(test.__module__)
    own = inspect.getdoc(test)
    return Rule(test.__name__, area, " ".join((own or summary).split()), test.__module__)


def area_of(module: str) -> tuple[str, str]:
    """What the rules of a module are about, and what they ask for: its text begins with `Area: summary`."""
    about = inspect.getdoc(sys.modules[module]) or ""
    area, _, summary = about.partition("\n")[0].partition(": ")
    return area, summary


def rules_of(suite: type) -> Iterator[Rule]:
    """All rules of a suite, in the order in which they are tested."""
    for base in suite.__mro__:
        for name, value in vars(base).items():
            if name.startswith("test_"):
                yield rule_of(value)
