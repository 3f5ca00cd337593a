"""`tq [GLOBAL OPTIONS] COMMAND ...`, with Celery's grammar."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from tq._version import __version__
from tq.cli.common import HelpfulGroup
from tq.cli.context import Globals

COMMANDS = {
    "beat": "tq.cli.beat:beat",
    "control": "tq.cli.remote:control",
    "call": "tq.cli.call:call",
    "dead": "tq.cli.dead:dead",
    "demo": "tq.cli.demo:demo",
    "dev": "tq.cli.dev:dev",
    "doctor": "tq.cli.doctor:doctor",
    "events": "tq.cli.events:events",
    "explain": "tq.cli.explain:explain",
    "inspect": "tq.cli.remote:inspect",
    "plugins": "tq.cli.plugins:plugins",
    "purge": "tq.cli.purge:purge",
    "queues": "tq.cli.queues:queues",
    "report": "tq.cli.report:report",
    "result": "tq.cli.result:result",
    "schedule": "tq.cli.schedule:schedule",
    "status": "tq.cli.status:status",
    "top": "tq.cli.top.command:top",
    "worker": "tq.cli.worker:worker",
    "workflow": "tq.cli.workflow:workflow",
}
ALIASES = {"plugin": "plugins"}
"""Names that are not listed."""


class Commands(HelpfulGroup):
    """Imports a command's module when the command is used; plugins add commands through `tq_commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*COMMANDS, *_plugin_commands()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if where is None:
            return _plugin_commands().get(cmd_name)
        module, _, name = where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


def _plugin_commands() -> dict[str, click.Command]:
    from tq.plugins.hooks import HookManager

    hooks = HookManager()
    hooks.load()
    return {found.value.name: found.value for found in hooks.collect("tq_commands")}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-A", "--app", "spec", metavar="MODULE", envvar="TQ_APP", help="The app: pkg, pkg.mod or pkg.mod:app."
)
@click.option("-b", "--broker", metavar="URL", help="Broker, in place of broker_url.")
@click.option("--result-backend", metavar="URL", help="Result backend, in place of result_backend.")
@click.option("--config", metavar="MODULE", help="Module with settings, as config_from_object takes it.")
@click.option(
    "--workdir",
    type=click.Path(exists=True, file_okay=False),
    help="Change to this directory first.",
)
@click.option("-C", "--no-color", is_flag=True, help="No colours.")
@click.option("-q", "--quiet", is_flag=True, help="No banner, no hints.")
@click.version_option(__version__, prog_name="tq")
@click.pass_context
def cli(
    ctx: click.Context,
    spec: str | None,
    broker: str | None,
    result_backend: str | None,
    config: str | None,
    workdir: str | None,
    no_color: bool,
    quiet: bool,
) -> None:
    """A distributed task queue with Celery's API and wire, where nothing is lost."""
    if workdir:
        os.chdir(workdir)
    settings: dict[str, Any] = {}
    if broker:
        settings["broker_url"] = broker
    if result_backend:
        settings["result_backend"] = result_backend
    ctx.obj = Globals(spec, settings, False if no_color else None, quiet, patched_for=ctx.obj)
    if config:
        ctx.obj.app().config_from_object(config, force=True)
