"""`tq workflow`: chains, groups and chords as a whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import click

from tq.app.tree import GroupNode, Row, TaskNode, counts
from tq.app.workflow import Workflow
from tq.cli.common import json_option
from tq.cli.context import Globals, pass_globals
from tq.cli.find import importing
from tq.cli.output import write_json
from tq.cli.treedot import dot_of
from tq.errors import ImproperlyConfigured

_SHOWN = 20
"""Members of a group that are shown where they are alike."""


@click.group()
def workflow() -> None:
    """Chains, groups and chords as a whole: show, cancel, retry.

    ID is that of the result that the call returned; the id of a task works as far as results tell where it belongs.

    \b
      tq -A shop workflow show 3f0c1a52-7a40-4d0b-9d5e-6c6e7c1f0a11
      tq -A shop workflow retry 3f0c1a52-7a40-4d0b-9d5e-6c6e7c1f0a11 --failed
    """


def _workflow(state: Globals, workflow_id: str) -> Workflow:
    return state.app().workflow(workflow_id)


@workflow.command()
@click.argument("workflow_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Write the tree as JSON.")
@click.option("--dot", "as_dot", is_flag=True, help="Write it in graphviz's language.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw it: FILE.svg, .png, .pdf (needs dot).",
)
@click.option("--all", "everything", is_flag=True, help=f"Show more than {_SHOWN} members of a group.")
@pass_globals
def show(
    state: Globals, /, workflow_id: str, as_json: bool, as_dot: bool, picture: Path | None, everything: bool
) -> None:
    """Show the tree of a workflow, with states and times."""
    row = _workflow(state, workflow_id).tree()
    if as_json:
        write_json({"id": workflow_id, "counts": counts(row), "steps": _records(row)})
    elif as_dot:
        click.echo(dot_of(row))
    elif picture is not None:
        _draw(dot_of(row), picture)
        click.echo(f"wrote {picture}")
    else:
        _write(workflow_id, row, None if everything else _SHOWN)


@workflow.command()
@click.argument("workflow_id", metavar="ID")
@click.option("-t", "--terminate", is_flag=True, help="End what runs, too.")
@click.option(
    "-s", "--signal", default="SIGTERM", show_default=True, metavar="NAME", help="With --terminate."
)
@json_option()
@pass_globals
def cancel(state: Globals, /, workflow_id: str, terminate: bool, signal: str, as_json: bool) -> None:
    """Revoke all of a workflow that has not ended."""
    ids = _workflow(state, workflow_id).cancel(terminate=terminate, signal=signal)
    write_json({"revoked": ids}) if as_json else click.echo(f"revoked {len(ids)} tasks")


@workflow.command()
@click.argument("workflow_id", metavar="ID")
@click.option("--failed", is_flag=True, help="Those that failed; there are no others that can.")
@json_option()
@pass_globals
def retry(state: Globals, /, workflow_id: str, failed: bool, as_json: bool) -> None:
    """Run the tasks of a workflow that failed anew; what follows them goes on from there.

    What succeeded does not run again. Chords are counted anew, with the results that their members have.
    """
    found = _workflow(state, workflow_id)
    with importing("a module of include, imports or autodiscover_tasks"):
        state.app().import_modules()
    ids = found.retry()
    if as_json:
        write_json({"sent": ids})
        return
    click.echo(f"sent {len(ids)} tasks again" if ids else "nothing has failed")


def _write(workflow_id: str, row: Row, most: int | None) -> None:
    found = counts(row)
    click.secho(f"{workflow_id}: {_told(found)}", bold=True)
    _write_row(row, 1, most)


def _told(found: dict[str, int]) -> str:
    total = sum(found.values())
    parts = ", ".join(f"{number} {state}" for state, number in sorted(found.items()))
    return f"{total} task{'s' * (total != 1)}, {parts}"


def _write_row(row: Row, depth: int, most: int | None) -> None:
    for step in row:
        if isinstance(step, TaskNode):
            _write_task(step, depth, most)
        else:
            _write_group(step, depth, most)


def _write_task(task: TaskNode, depth: int, most: int | None) -> None:
    words = [task.title, task.state, task.ended, task.id, task.error]
    click.echo("  " * depth + "  ".join(word for word in words if word))
    for inner in task.inside:
        _write_row(inner, depth + 2, most)


def _write_group(group: GroupNode, depth: int, most: int | None) -> None:
    click.echo("  " * depth + f"side by side  {_told(counts([group]))}  {group.id}")
    members = group.members
    if most is not None and len(members) > most:
        # Those that need a look come first.
        members = sorted(members, key=lambda member: set(counts(member)) == {"SUCCESS"})[:most]
    for member in members:
        _write_row(member, depth + 1, most)
        if len(member) > 1:
            click.echo("  " * (depth + 1) + "--")
    if len(members) < len(group.members):
        click.echo("  " * (depth + 1) + f"... {len(group.members) - len(members)} more (--all)")


def _records(row: Row) -> list[dict[str, Any]]:
    return [
        {"group": step.id, "members": [_records(member) for member in step.members]}
        if isinstance(step, GroupNode)
        else {
            "id": step.id,
            "task": step.title,
            "state": step.state,
            "ended": step.ended,
            "error": step.error,
            "inside": [_records(inner) for inner in step.inside],
        }
        for step in row
    ]


def _draw(dot: str, picture: Path) -> None:
    program = shutil.which("dot")
    if program is None:
        raise ImproperlyConfigured(
            "a picture needs graphviz: there is no `dot` on PATH; install it (apt-get install graphviz), or take --dot"
        )
    kind = picture.suffix.lstrip(".") or "svg"
    done = subprocess.run(
        [program, f"-T{kind}", "-o", str(picture)], input=dot, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImproperlyConfigured(f"`dot` cannot draw {picture}: {done.stderr.strip()[:500]}")
