"""New plugins as projects: names, files, and that nothing is overwritten. What they do: tests/packaging/test_kit.py."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tq.errors import PluginError
from tq.plugins.scaffold import DRAFTS, LONGEST, project

FILES = {
    ".gitignore",
    ".github/workflows/test.yml",
    "README.md",
    "pyproject.toml",
    "tests/test_conformance.py",
    "tests/test_worker.py",
    "tq_big_table/__init__.py",
    "tq_big_table/py.typed",
}


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_project_has_every_file_and_no_placeholder_is_left(kind: str) -> None:
    made = project(kind, "big-table")
    contents = made.contents()
    assert contents.keys() == FILES | {f"tq_big_table/{kind}.py"}
    for path, text in contents.items():
        assert not re.search(r"\$(?!\{\{)", text), path
        if path.endswith(".py"):
            compile(text, path, "exec")
    assert "${{ matrix.python }}" in contents[".github/workflows/test.yml"]


@pytest.mark.parametrize("kind", DRAFTS)
def test_the_entry_point_names_the_class_of_the_package(kind: str) -> None:
    made = project(kind, "big-table")
    contents = made.contents()
    declared = tomllib.loads(contents["pyproject.toml"])["project"]
    assert declared["name"] == "tq-big-table"
    assert declared["entry-points"] == {DRAFTS[kind].group: {"big-table": f"tq_big_table:{made.class_name}"}}
    assert f"class {made.class_name}" in contents[f"tq_big_table/{kind}.py"]


def test_no_line_is_too_long_for_the_longest_name() -> None:
    for kind in DRAFTS:
        for path, text in project(kind, "x" * LONGEST).contents().items():
            if path.endswith(".py"):
                assert [line for line in text.splitlines() if len(line) > 110] == [], f"{kind}: {path}"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Big_Table", "did you mean 'big-table'?"),
        ("9lives", "is no name for a plugin"),
        ("", "is no name for a plugin"),
        ("a" * (LONGEST + 1), f"up to {LONGEST} lower-case letters"),
        ("../up", "did you mean 'up'?"),
        ("a--b", "did you mean 'a-b'?"),
        ("tq-carrier", "without tq, which is put before it: carrier"),
        ("memory", "one of tq's own plugins"),
        ("sentinel", "one of tq's own plugins"),
        ("core", "choose another, for example 'my-core'"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_what_to_do(name: str, answer: str) -> None:
    with pytest.raises(PluginError, match=re.escape(answer)):
        project("broker", name)


def test_a_kind_that_is_not_there_is_refused() -> None:
    with pytest.raises(PluginError, match="choose broker, backend, serializer, pool, hooks"):
        project("queue", "carrier")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    with pytest.raises(PluginError, match="exists already: choose another one with --folder"):
        project("pool", "carrier").write(tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["README.md"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match=r"cannot make .*file/below: Not a directory"):
        project("pool", "carrier").write(tmp_path / "file" / "below")
