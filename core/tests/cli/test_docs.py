"""`docs/cli.md` knows every command and option."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from tq.cli.commands import COMMANDS, cli

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
ROOT = click.Context(cli)


def section(name: str) -> str:
    found = re.search(rf"^## `tq {name}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"no section for tq {name}"
    return found[1]


def options(command: click.Command) -> set[str]:
    return {
        max(parameter.opts, key=len)
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    }


def leaves(name: str) -> dict[tuple[str, ...], click.Command]:
    command = cli.get_command(ROOT, name)
    assert command is not None
    if not isinstance(command, click.Group):
        return {(name,): command}
    return {(name, word): found for word, found in command.commands.items() if not found.hidden}


LEAVES = {words: found for name in COMMANDS for words, found in leaves(name).items()}
RUN_ON = {"beat", "dev", "worker"}
"""They have no answer: they log, as JSON with `worker_log_json`."""
REMOTE = {"control", "inspect"}
"""Their commands are in docs/control.md; see `test_remote.py`."""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_a_section_with_an_example(name: str) -> None:
    assert re.search(rf"^    \$ (?:[A-Z_]+=\S+ )?tq ([^\n]* )?{name}\b", section(name), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_option_is_mentioned_in_the_section_of_its_command(name: str) -> None:
    command = cli.get_command(ROOT, name)
    assert command is not None
    children = list(command.commands.values()) if isinstance(command, click.Group) else []
    wanted = set().union(*map(options, [command, *children]))
    assert {option for option in wanted if f"{option}" not in section(name)} == set()


@pytest.mark.parametrize("words", sorted(LEAVES), ids=" ".join)
def test_each_subcommand_has_help_json_and_an_example(words: tuple[str, ...]) -> None:
    command = LEAVES[words]
    assert command.help
    assert words[0] in RUN_ON or "--json" in options(command)
    if words[0] not in REMOTE:
        called = rf"^    \$ (?:[A-Z_]+=\S+ )?tq ([^\n]* )?{words[0].rstrip('s')}s?{''.join(f' {word}' for word in words[1:])}\b"
        assert re.search(called, section(words[0]), re.MULTILINE)


def test_each_global_option_is_mentioned() -> None:
    head = PAGE.partition("\n## `tq ")[0]
    assert {option for option in options(cli) if option not in head} == set()


def test_no_section_is_about_a_command_that_is_not_there() -> None:
    assert set(re.findall(r"^## `tq (\w+)`", PAGE, re.MULTILINE)) <= set(COMMANDS)
