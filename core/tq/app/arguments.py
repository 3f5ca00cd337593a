"""A check of arguments against a function's signature, made once per task and cheap at each call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Check = Callable[..., None]


def argument_check(function: Callable[..., Any], name: str, *, skip_first: bool = False) -> Check | None:
    """A function of the same parameters that does nothing, so that a wrong call raises Python's own
    `TypeError`, under the task's name; None where Python does not know the signature.

    `skip_first` leaves out `self` of a bound task.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if skip_first and parameters and parameters[0].kind in _POSITIONAL:
        parameters = parameters[1:]
    source = f"def check({_declaration(parameters)}): return None"
    namespace: dict[str, Any] = {}
    # Only parameter names, which Python has accepted as such, come into the source.
    exec(source, namespace)  # noqa: S102
    check: Check = namespace["check"]
    check.__name__ = check.__qualname__ = name
    return check


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _declaration(parameters: list[inspect.Parameter]) -> str:
    parts: list[str] = []
    starred = False
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        parts.append(_one(parameter))
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        following = parameters[index + 1].kind if index + 1 < len(parameters) else None
        if parameter.kind is parameter.POSITIONAL_ONLY and following is not parameter.POSITIONAL_ONLY:
            parts.append("/")
    return ", ".join(parts)


def _one(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"*{parameter.name}"
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}=None"
