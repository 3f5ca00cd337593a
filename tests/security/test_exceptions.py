"""A result document chooses no code: it names an exception, and only listed classes are built."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from tq import TQ
from tq.errors import RemoteError
from tq.wire.exceptions import rebuild_exception

FOREIGN = [
    ("system", "os"),
    ("system", "posix"),
    ("os.system", "builtins"),
    ("eval", "builtins"),
    ("__import__", "builtins"),
    ("exec", ""),
    ("SystemExit", "builtins"),
    ("KeyboardInterrupt", "builtins"),
    ("BaseException", "builtins"),
    ("object", "builtins"),
    ("dict", "builtins"),
    ("Popen", "subprocess"),
    ("CalledProcessError", "subprocess"),
    ("JSONDecodeError", "json"),
    ("Exception.__init__", "builtins"),
    ("_dt.datetime", "tq.errors"),
    ("TQError.__init__", "tq.errors"),
    ("Any", "tq.errors"),
    ("system", "celery.exceptions"),
]


@pytest.mark.parametrize(("name", "module"), FOREIGN)
def test_what_is_no_listed_exception_class_is_not_built(name: str, module: str) -> None:
    error = rebuild_exception({"exc_type": name, "exc_module": module, "exc_message": ["echo"]})
    assert isinstance(error, RemoteError)
    assert (error.exc_type, error.exc_module) == (name, module)


def test_no_module_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    error = rebuild_exception(
        {"exc_type": "Zen", "exc_module": "this", "exc_message": []}, lambda module: True
    )
    assert isinstance(error, RemoteError)
    assert "this" not in sys.modules


def test_an_app_builds_errors_of_the_packages_of_its_tasks_and_of_no_others() -> None:
    app = TQ("security", set_as_current=False)
    app.task(test_no_module_is_imported)
    known = {"exc_type": "Nested.Error", "exc_module": __name__, "exc_message": ["x"]}
    assert type(app.rebuild(known)) is Nested.Error
    foreign = {"exc_type": "CalledProcessError", "exc_module": "subprocess", "exc_message": [1, "x"]}
    assert isinstance(app.rebuild(foreign), RemoteError)


class Nested:
    """Holds an error, as serializers of some frameworks do."""

    class Error(Exception):
        """One that may be built."""

    def method(self) -> None:
        """Is no class."""


class Trap:
    """Notices when anybody looks at it."""

    touched: list[str]

    def __getattribute__(self, name: str) -> Any:
        object.__getattribute__(self, "touched").append(name)
        return Nested.Error


@pytest.mark.parametrize("name", ["trap", "trap.Error", "lazy", "lazy.Error", "Nested.lazy", "Nested.method"])
def test_looking_for_a_class_runs_nothing_of_its_module(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[str] = []
    trap = Trap()
    object.__setattr__(trap, "touched", touched)

    def lazy(asked: str) -> object:
        touched.append(asked)
        return Nested.Error

    module = types.ModuleType("trapped")
    vars(module).update(trap=trap, Nested=Nested, __getattr__=lazy)
    monkeypatch.setitem(sys.modules, "trapped", module)
    document = {"exc_type": name, "exc_module": "trapped", "exc_message": ["x"]}
    assert isinstance(rebuild_exception(document, lambda module: True), RemoteError)
    assert touched == []


@pytest.mark.parametrize(
    "document",
    [
        None,
        7,
        "text",
        [],
        {},
        {"exc_type": None},
        {"exc_type": []},
        {"exc_type": "ValueError", "exc_module": 7},
    ],
    ids=repr,
)
def test_any_document_is_some_error(document: Any) -> None:
    assert isinstance(rebuild_exception(document), Exception)


@pytest.mark.parametrize("field", ["exc_type", "exc_module", "exc_message"])
def test_a_document_that_is_nested_without_end_is_some_error(field: str) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    document = {"exc_type": "ValueError", "exc_module": "builtins", "exc_message": ["x"], field: deep}
    for error in (rebuild_exception(document), rebuild_exception(deep)):
        assert isinstance(error, Exception)
        assert len(f"{error!r} {error}") < 10_000
