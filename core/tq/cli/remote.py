"""`tq inspect` and `tq control`: commands to workers, those of tq, of plugins and of the app."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import click

from tq.app.remote import commands_of
from tq.cli.common import HelpfulGroup
from tq.cli.context import Globals
from tq.cli.output import write_json
from tq.cli.replies import NOBODY, write_count, write_reply
from tq.cli.types import Names
from tq.client.mailbox import merged
from tq.contracts.control import CommandInfo
from tq.plugins.hooks import HookManager

_GIVEN = "tq.remote"


def _options(function: Any) -> Any:
    """The options that stand before the command as well as behind it."""
    for option in (
        click.option("-j", "--json", "as_json", is_flag=True, help="Write the replies as JSON."),
        click.option(
            "-d",
            "--destination",
            type=Names(),
            default=None,
            help="Only these workers: node names, by commas.",
        ),
        click.option(
            "-t",
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=None,
            metavar="SECONDS",
            help="Wait so long for replies; default: 1.",
        ),
    ):
        function = option(function)
    return function


class RemoteCommands(HelpfulGroup):
    """Its commands are those of workers of one kind."""

    kind: Literal["control", "inspect"]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [info.name for info in _known(None) if info.kind == self.kind and info.visible]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self._find(cmd_name, None)
        state = ctx.find_object(Globals)
        if found is None and state is not None and not ctx.resilient_parsing:
            found = self._find(cmd_name, state)
        return command(found) if found is not None else None

    def hint(self, name: str, known: list[str]) -> str:
        return f" There are: {', '.join(known)}"

    def _find(self, name: str, state: Globals | None) -> CommandInfo | None:
        found = [info for info in _known(state) if info.name == name and info.kind == self.kind]
        return found[0] if found else None


class InspectCommands(RemoteCommands):
    kind = "inspect"


class ControlCommands(RemoteCommands):
    kind = "control"


def _known(state: Globals | None) -> list[CommandInfo]:
    """With a state, those that the modules of its app register as well."""
    if state is not None:
        state.app().import_modules()
    hooks = HookManager()
    hooks.load()
    return commands_of(hooks).all()


def _list(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        assert isinstance(ctx.command, RemoteCommands)
        kind = ctx.command.kind
        rows = [
            (f"{info.name} {info.signature}".strip(), info.help)
            for info in _known(None)
            if info.kind == kind and info.visible
        ]
        formatter = click.HelpFormatter(width=110)
        formatter.write_dl(rows)
        click.echo(formatter.getvalue(), nl=False)
        ctx.exit()


def _group_options(function: Any) -> Any:
    listing = click.option(
        "--list",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list,
        help="Write the commands, and end.",
    )
    return listing(_options(function))


@click.group(
    cls=InspectCommands, short_help="Ask workers what they do.", subcommand_metavar="COMMAND [ARGS]..."
)
@_group_options
@click.pass_context
def inspect(ctx: click.Context, /, **given: Any) -> None:
    """Ask workers what they do, over a broker that can broadcast: Redis, RabbitMQ and SQL databases can, memory within
    its process. Celery's workers on the same broker answer as well.

    Exit status: 69 where nobody replied in time.

    \b
      tq -A shop inspect active
      tq -A shop inspect --destination w1@host,w2@host stats --json
    """
    ctx.meta[_GIVEN] = given


@click.group(
    cls=ControlCommands, short_help="Tell workers what to do.", subcommand_metavar="COMMAND [ARGS]..."
)
@_group_options
@click.pass_context
def control(ctx: click.Context, /, **given: Any) -> None:
    """Tell workers what to do, all of them or those named by --destination.

    Exit status: 69 where nobody replied in time.

    \b
      tq -A shop control rate_limit shop.mail 10/m
      tq -A shop control --destination w1@host shutdown
    """
    ctx.meta[_GIVEN] = given


def command(info: CommandInfo) -> click.Command:
    """The command line of one command."""

    def run(ctx: click.Context, /, words: tuple[str, ...] = (), **own: Any) -> None:
        said = {name: value for name, value in ctx.meta.get(_GIVEN, {}).items() if value}
        said |= {name: value for name, value in own.items() if value}
        _run(ctx, info, words, **said)

    made = click.Command(
        info.name,
        callback=click.pass_context(run),
        params=[click.Argument(["words"], nargs=-1, metavar=info.signature or " ", type=click.UNPROCESSED)]
        if info.args or info.variadic
        else [],
        help=info.help,
        short_help=info.help,
    )
    return _options_of(made)


def _options_of(made: click.Command) -> click.Command:
    @_options
    def holder() -> None: ...

    made.params += reversed(getattr(holder, "__click_params__", []))
    return made


def _run(
    ctx: click.Context,
    info: CommandInfo,
    words: Sequence[str],
    *,
    timeout: float | None = None,
    destination: tuple[str, ...] | None = None,
    as_json: bool = False,
) -> None:
    state = ctx.find_object(Globals) or Globals()
    app = state.app()
    arguments = arguments_of(info, words)
    replies = app.control.broadcast(
        info.name,
        arguments,
        destination=list(destination) if destination else None,
        reply=True,
        timeout=timeout or max(info.default_timeout, 1.0),
        callback=None if as_json else partial(write_reply, color=state.color),
    )
    if as_json and (replies or info.kind == "inspect"):
        write_json(merged(replies or []) if info.kind == "inspect" else replies)
    if not replies:
        click.echo("Error: no worker replied within the time", err=True)
        ctx.exit(NOBODY)
    if not as_json and not state.quiet:
        write_count(len(replies))


def arguments_of(info: CommandInfo, words: Sequence[str]) -> dict[str, Any]:
    """Words of the command line as arguments. Raises `click.UsageError`."""
    found: dict[str, Any] = {}
    left = list(words)
    for name, convert in info.args:
        if not left:
            break
        found[name] = _converted(info, name, convert, left.pop(0))
    if info.variadic:
        found[info.variadic] = left
    elif left:
        raise click.UsageError(
            f"{info.name} takes {info.signature or 'no arguments'}; too much: {' '.join(left)}"
        )
    required = info.signature.count("<")
    if len(words) < required:
        raise click.UsageError(f"{info.name} needs {info.signature}")
    return found


def _converted(info: CommandInfo, name: str, convert: Callable[[str], Any], word: str) -> Any:
    try:
        return convert(word)
    except (ValueError, TypeError) as exc:
        raise click.UsageError(f"{info.name} {info.signature}: {name} cannot be {word!r}") from exc
