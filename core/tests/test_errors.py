"""The error tree keeps its promises."""

from __future__ import annotations

import inspect
import pickle

import pytest

import tq.errors
from tq import states

ERRORS = [e for _, e in inspect.getmembers(tq.errors, inspect.isclass) if e.__module__ == "tq.errors"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_is_a_tq_error(error: type[BaseException]) -> None:
    assert issubclass(error, tq.errors.TQError)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_is_drawn_in_the_tree(error: type[BaseException]) -> None:
    assert tq.errors.__doc__ is not None
    assert error.__name__ in tq.errors.__doc__


def test_control_flow_errors_survive_pickling() -> None:
    again = pickle.loads(pickle.dumps(tq.errors.Reject("no stock", requeue=True)))
    assert (again.reason, again.requeue) == ("no stock", True)


def test_timeouts_are_builtin_timeouts_too() -> None:
    assert issubclass(tq.errors.ResultTimeout, TimeoutError)


def test_custom_states_rank_between_failure_and_revoked() -> None:
    assert states.precedence("FAILURE") < states.precedence("PROGRESS") < states.precedence("REVOKED")
