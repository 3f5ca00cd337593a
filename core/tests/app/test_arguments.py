"""The argument check says what Python itself says, for any signature."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tq import TQ
from tq.app.arguments import argument_check

KINDS = [
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
]
NAMES = ["a", "b", "c", "d", "e", "self", "args", "été", "None_", "_x"]


@st.composite
def functions(draw: st.DrawFn) -> Any:
    """A function of any signature that Python allows."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), min_size=len(names), max_size=len(names))))
    parameters: list[inspect.Parameter] = []
    seen_default = False
    for name, kind in zip(names, kinds, strict=True):
        variadic = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if variadic and any(parameter.kind is kind for parameter in parameters):
            continue
        has_default = not variadic and draw(st.booleans())
        if kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
            seen_default = has_default = has_default or seen_default
        default = draw(st.integers()) if has_default else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, kind, default=default))

    def function(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the check never calls the function")

    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


ARGS = st.lists(st.integers(), max_size=7)
KWARGS = st.dictionaries(st.sampled_from(NAMES), st.integers(), max_size=5)


def bind_is_wrong(signature: inspect.Signature, kwargs: dict[str, int]) -> bool:
    """Python takes the name of a positional-only parameter into **kwargs; older versions of `bind` do not."""
    parameters = signature.parameters.values()
    if all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return False
    return any(p.kind is inspect.Parameter.POSITIONAL_ONLY and p.name in kwargs for p in parameters)


def fits(call: Any, *args: Any, **kwargs: Any) -> bool:
    try:
        call(*args, **kwargs)
    except TypeError:
        return False
    return True


@given(function=functions(), args=ARGS, kwargs=KWARGS)
def test_it_takes_what_bind_takes_and_nothing_else(
    function: Any, args: list[int], kwargs: dict[str, int]
) -> None:
    check = argument_check(function, "shop.task")
    assert check is not None
    signature = inspect.signature(function)
    assume(not bind_is_wrong(signature, kwargs))
    assert fits(check, *args, **kwargs) == fits(signature.bind, *args, **kwargs)


@given(function=functions(), args=ARGS, kwargs=KWARGS)
def test_without_self_it_takes_what_a_bound_method_takes(
    function: Any, args: list[int], kwargs: dict[str, int]
) -> None:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    first = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if parameters and parameters[0].kind in first:
        parameters = parameters[1:]
    check = argument_check(function, "shop.task", skip_first=True)
    assert check is not None
    bound = signature.replace(parameters=parameters)
    assume(not bind_is_wrong(bound, kwargs))
    assert fits(check, *args, **kwargs) == fits(bound.bind, *args, **kwargs)


def test_the_error_names_the_task_and_the_argument() -> None:
    def pay(order: str, *, amount: int) -> None: ...

    check = argument_check(pay, "shop.pay")
    assert check is not None
    with pytest.raises(TypeError, match=r"shop\.pay\(\) missing 1 required keyword-only argument: 'amount'"):
        check("o")
    with pytest.raises(TypeError, match=r"shop\.pay\(\) got an unexpected keyword argument 'amout'"):
        check("o", amout=1)


def test_what_python_knows_no_signature_of_is_not_checked() -> None:
    assert argument_check(dict.fromkeys, "t") is not None
    assert argument_check(min, "t") is None


def test_decorated_and_partial_functions_are_checked_by_what_they_take() -> None:
    def add(x: int, y: int) -> int:
        return x + y

    @functools.wraps(add)
    def wrapped(*args: Any) -> int:
        return add(*args)

    for function, args in ((wrapped, (1, 2)), (functools.partial(add, 1), (2,))):
        check = argument_check(function, "t")
        assert check is not None
        check(*args)
        with pytest.raises(TypeError):
            check(1, 2, 3)


def test_a_wrong_call_raises_where_it_is_made(app: TQ) -> None:
    @app.task(bind=True)
    def pay(self: Any, order: str) -> None: ...

    with pytest.raises(TypeError, match=r"test_arguments\.pay\(\) missing"):
        pay.delay()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        pay.apply_async(kwargs={"order": "o", "amount": 1})


def test_the_check_can_be_left_out_by_task_and_by_app(app: TQ, make_app: Any) -> None:
    @app.task(typing=False)
    def loose(x: int) -> None: ...

    loose.apply_async((1, 2, 3))
    lenient = make_app(strict_typing=False)
    lenient.task(loose.run).apply_async((1, 2, 3))
