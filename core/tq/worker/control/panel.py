"""The commands of remote control: those of tq, and those that an app adds.

    from tq.worker.control import control_command, inspect_command

    @inspect_command()
    def prefetched(state):
        "How many messages wait in this worker."
        return len(...)

A command gets the worker's `ControlState` first and its arguments by name; what it returns is the reply, and an
exception becomes `{"error": repr}`. Source of names and forms: Celery 5.7, `celery.worker.control`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from tq.contracts.control import CommandInfo

F = TypeVar("F", bound=Callable[..., Any])
Argument = tuple[str, Callable[[str], Any]]


class Panel:
    """A set of commands by name. An alias is known to workers alone."""

    def __init__(self) -> None:
        self._commands: dict[str, CommandInfo] = {}
        self._aliases: dict[str, str] = {}

    def add(self, command: CommandInfo) -> None:
        """Add one, or put it in the place of another."""
        self._commands[command.name] = command
        if command.alias:
            self._aliases[command.alias] = command.name

    def find(self, name: str) -> CommandInfo | None:
        """By name or alias."""
        return self._commands.get(self._aliases.get(name, name))

    def all(self) -> list[CommandInfo]:
        """In order of names."""
        return [self._commands[name] for name in sorted(self._commands)]

    def with_more(self, commands: Sequence[CommandInfo]) -> Panel:
        """A copy with these as well; those of this panel win."""
        made = Panel()
        for command in (*commands, *self.all()):
            made.add(command)
        return made


def own(kind: Literal["control", "inspect"], **options: Any) -> Callable[[F], F]:
    """For tq's own commands: describes the function in its attribute `control`, and registers nothing."""

    def describe(function: F) -> F:
        function.control = command_of(kind, function, **options)  # type: ignore[attr-defined]
        return function

    return describe


PANEL = Panel()
"""All that the decorators have added in this process, as `shared_task` does with tasks."""


def control_command(**options: Any) -> Callable[[F], F]:
    """Make a function a command that changes something. Options: `name`, `alias`, `args` (pairs of name and converter,
    for the command line), `variadic` (the argument that takes all further words), `signature` (for its help),
    `default_timeout` (seconds), `visible`, `help`."""
    return _register("control", options)


def inspect_command(**options: Any) -> Callable[[F], F]:
    """Make a function a command that looks at something; options as for `control_command`."""
    return _register("inspect", options)


def command_of(
    kind: Literal["control", "inspect"], function: Callable[..., Any], **options: Any
) -> CommandInfo:
    """Describe a command without registering it, for the hook `tq_control_commands`."""
    name = options.pop("name", None) or getattr(function, "__name__", "")
    said = options.pop("help", None) or inspect.getdoc(function) or ""
    return CommandInfo(
        name=name,
        kind=kind,
        function=function,
        help=said.strip().partition("\n")[0],
        args=tuple((str(key), convert) for key, convert in options.pop("args", None) or ()),
        **{key: value for key, value in options.items() if value is not None},
    )


def _register(kind: Literal["control", "inspect"], options: dict[str, Any]) -> Callable[[F], F]:
    def register(function: F) -> F:
        PANEL.add(command_of(kind, function, **options))
        return function

    return register


def ok(value: Any) -> dict[str, Any]:
    """The reply of a command that worked."""
    return {"ok": value}


def nok(value: Any) -> dict[str, Any]:
    """The reply of one that did not."""
    return {"error": value}
