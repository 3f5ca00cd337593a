"""Checks on hook implementations before they are registered: pluggy would find these mistakes late or never."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tq.contracts import hooks as specs
from tq.errors import PluginError


def hook_names() -> list[str]:
    """The names of all hooks."""
    return sorted(name for name, value in vars(specs).items() if hasattr(value, "tq_spec"))


def hook_arguments(hook: str) -> tuple[str, ...]:
    """The names of what a hook is told."""
    return tuple(inspect.signature(getattr(specs, hook)).parameters)


def taken_arguments(hook: str, function: Callable[..., object]) -> tuple[str, ...]:
    """Those of the hook's arguments that an implementation takes; with `**kwargs` all of them."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return hook_arguments(hook)
    return tuple(name for name in hook_arguments(hook) if name in parameters)


def flaw_of_name(hook: str) -> str | None:
    """What is wrong with a hook's name, with a suggestion; None for a hook that exists."""
    names = hook_names()
    if hook in names:
        return None
    close = difflib.get_close_matches(hook, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the hooks are: {', '.join(names)}"
    return f"there is no hook {hook}: {hint}"


def check_observer(hook: str, function: Callable[..., Any], options: Mapping[str, Any], plugin: str) -> None:
    """Raise `PluginError` for an implementation that could not work; `options` are pluggy's."""
    where = f"the hook {hook} of the plugin {plugin}"
    flaw = flaw_of_name(hook)
    if flaw:
        if options.get("optionalhook"):
            return
        raise PluginError(f"{where} is never called, {flaw}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f"{where} is async: hooks are called from plain code, write it with def")
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(f"{where} is a wrapper: hooks are called one by one, there is nothing to wrap")
    _check_arguments(where, hook, function)


def _check_arguments(where: str, hook: str, function: Callable[..., Any]) -> None:
    offered = hook_arguments(hook)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise PluginError(f"{where} takes {parameter} by position: hooks are called with names")
        if parameter.kind is not parameter.VAR_KEYWORD and parameter.name not in offered:
            raise PluginError(
                f"{where} takes {parameter.name!r}, which the hook has not: "
                f"its arguments are {', '.join(offered) or 'none'}"
            )
