"""Exceptions as result documents, and back."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq import errors
from tq.wire.exceptions import exception_document, exception_info, rebuild_exception
from tq.wire.json import JsonSerializer

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ANYTHING = PLAIN | st.binary() | st.lists(st.integers()) | st.builds(object) | st.just(float("nan"))
SIMPLE = [
    ValueError,
    KeyError,
    RuntimeError,
    LookupError,
    AssertionError,
    errors.TaskRevoked,
    errors.EncodeError,
]
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


class Own(Exception):
    """An exception of a program."""


class Picky(Exception):
    """Wants other arguments than it keeps."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one}{two}")


class Loud:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def travelled(exc: BaseException, allowed: Any = lambda module: False) -> BaseException:
    json = JsonSerializer()
    return rebuild_exception(json.loads(json.dumps(exception_document(exc))), allowed)


@pytest.mark.parametrize("cls", SIMPLE)
@given(args=st.lists(PLAIN, max_size=4))
def test_plain_arguments_come_back_as_they_were(cls: type[Exception], args: list[Any]) -> None:
    back = travelled(cls(*args))
    assert type(back) is cls
    assert back.args == tuple(args)


@given(args=st.lists(ANYTHING, max_size=4))
def test_every_exception_can_be_written_and_read(args: list[Any]) -> None:
    back = travelled(ValueError(*args))
    assert type(back) is ValueError
    assert len(back.args) == len(args)


@given(document=JSON)
def test_no_document_whatever_raises(document: Any) -> None:
    assert isinstance(rebuild_exception(document), Exception)


@given(
    name=st.sampled_from(dir(builtins)) | st.text(),
    module=st.sampled_from(["builtins", "", "os", "tq.errors"]),
)
def test_only_exceptions_are_ever_built(name: str, module: str) -> None:
    built = rebuild_exception(
        {"exc_type": name, "exc_message": ["echo"], "exc_module": module}, lambda m: True
    )
    assert isinstance(built, Exception)


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"])
def test_exceptions_that_end_programs_are_described_and_not_built(name: str) -> None:
    built = rebuild_exception({"exc_type": name, "exc_message": [1], "exc_module": "builtins"})
    assert isinstance(built, errors.RemoteError)
    assert (built.exc_type, built.exc_args) == (name, (1,))


def test_a_foreign_class_is_built_only_where_its_module_is_allowed() -> None:
    described = travelled(Own("a", 1))
    assert isinstance(described, errors.RemoteError)
    assert (described.exc_type, described.exc_module, described.exc_args) == ("Own", __name__, ("a", 1))
    assert type(travelled(Own("a"), lambda module: module == __name__)) is Own


def test_a_constructor_that_does_not_fit_is_described() -> None:
    back = travelled(Picky(1, 2), lambda module: True)
    assert isinstance(back, errors.RemoteError)
    assert back.exc_args == ("12",)


def test_an_argument_without_a_repr_does_no_harm() -> None:
    assert exception_document(ValueError(Loud()))["exc_message"] == ["<Loud whose repr raised RuntimeError>"]


@pytest.mark.parametrize(
    ("exc", "name", "module"),
    [
        (errors.TaskRevoked("r"), "TaskRevokedError", "celery.exceptions"),
        (errors.WorkerLost("w"), "WorkerLostError", "billiard.exceptions"),
        (errors.NotRegistered("n"), "NotRegistered", "celery.exceptions"),
        (errors.MaxRetriesExceeded("m"), "MaxRetriesExceededError", "celery.exceptions"),
        (errors.SoftTimeLimitExceeded(1), "SoftTimeLimitExceeded", "billiard.exceptions"),
    ],
)
def test_celery_knows_these_by_its_own_names(exc: Exception, name: str, module: str) -> None:
    document = exception_document(exc)
    assert (document["exc_type"], document["exc_module"]) == (name, module)
    assert type(travelled(exc)) is type(exc)


def test_einfo_is_the_traceback_as_text_and_what_celery_gives_besides() -> None:
    exc = ValueError("x")
    info = exception_info(exc, "Traceback: x")
    assert (str(info), info.traceback, info.exception) == ("Traceback: x", "Traceback: x", exc)
    assert info.exc_info == (ValueError, exc, None)
    assert str(exception_info(exc, None)) == "ValueError: x\n"
