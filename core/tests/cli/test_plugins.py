"""`tq plugins` and its sub-commands; `tq plugin` is another name of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Tq


def test_a_new_plugin_is_written_and_the_next_steps_are_said(tq: Tq, project: Path) -> None:
    ended = tq("plugin", "new", "broker", "carrier")
    assert ended.status == 0, ended.err
    written = [project / line for line in ended.out.splitlines()]
    assert project / "tq-carrier" / "tq_carrier" / "broker.py" in written
    assert all(file.is_file() for file in written)
    assert 'pip install -e ".[test]"' in ended.err


def test_a_new_plugin_goes_into_the_folder_that_is_named(tq: Tq, project: Path) -> None:
    assert tq("plugins", "new", "hooks", "carrier", "--folder", "deep/down").status == 0
    assert (project / "deep" / "down" / "pyproject.toml").is_file()
    again = tq("plugin", "new", "hooks", "carrier", "--folder", "deep/down")
    assert (again.status, "deep/down exists already" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "status", "answer"),
    [
        (("queue", "carrier"), 2, "'broker', 'backend', 'serializer', 'pool', 'hooks'"),
        (("broker", "Big_Table"), 1, "did you mean 'big-table'?"),
        (("broker",), 2, "Missing argument 'NAME'"),
    ],
)
def test_a_plugin_that_cannot_be_is_refused(
    tq: Tq, project: Path, words: tuple[str, ...], status: int, answer: str
) -> None:
    before = set(project.iterdir())
    ended = tq("plugin", "new", *words)
    assert (ended.status, answer in ended.err) == (status, True), ended.err
    assert set(project.iterdir()) == before


def test_the_listing_is_what_comes_without_a_sub_command(tq: Tq) -> None:
    rows = json.loads(tq("plugin", "--json").out)
    assert {"broker", "pool", "serializer"} <= {row["kind"] for row in rows}
