"""The worker and the client call hooks with exactly the arguments that the contract promises to plugins."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tq
from tq.contracts.hooks import COLLECTING
from tq.plugins.observer import hook_arguments, hook_names
from tq.worker.run import Observers
from tq.worker.worker import Worker

PACKAGE = Path(tq.__file__).parent
OBSERVERS = set(hook_names()) - COLLECTING


def calls_of(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Calls such as `observers.task_prerun(request=...)` and `_tell("worker_ready", mode=...)`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        named = {keyword.arg for keyword in node.keywords if keyword.arg}
        if node.func.attr in OBSERVERS and "observers" in ast.unparse(node.func.value):
            yield node.func.attr, named
        elif node.func.attr == "_tell" and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value), named | {"worker"}


CALLS = sorted(
    (str(path.relative_to(PACKAGE)), hook, sorted(named))
    for path in PACKAGE.rglob("*.py")
    for hook, named in calls_of(ast.parse(path.read_text("utf-8")))
)


def test_calls_were_found() -> None:
    assert {hook for _, hook, _ in CALLS} >= {
        *Observers.__dataclass_fields__,
        "worker_starting",
        "worker_stopped",
    }


@pytest.mark.parametrize(("where", "hook", "named"), CALLS)
def test_a_call_names_the_arguments_of_its_hook(where: str, hook: str, named: list[str]) -> None:
    assert named == sorted(hook_arguments(hook)), where


def test_the_observers_of_a_worker_are_hooks() -> None:
    assert set(Observers.__dataclass_fields__) <= OBSERVERS


def test_a_worker_is_what_its_hooks_are_promised() -> None:
    assert {"hostname", "concurrency"} <= set(vars(Worker))
