"""The repository speaks of the project only."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.project import CORE, PLUGINS, ROOT, Part

# Folders of whoever works on the project, written in two parts so that this file passes its own test.
MACHINE = re.compile(
    "|".join(
        ("/wor" + "k/", "/ro" + "ot/", "/ho" + "me/[a-z]", "/Use" + "rs/[a-z]", "/tm" + r"p/(v|celeryv)\b")
    )
)
# What names a driver outside of the catalogue; the ones that are the core's own, and the default, are spared.
DRIVERS = {plugin.folder.name for plugin in PLUGINS} | {
    "rediss",
    "amqp",
    "sqs",
    "postgresql",
    "mysql",
    "mariadb",
}
DEFAULTS = {"prefork"}
ALLOWED = (
    *("tq.contracts", "tq.records", "tq.errors", "tq.options", "tq.pools", "tq.states", "tq.wire"),
    "tq.__version__",
)


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True)
    names = [name for name in listed.stdout.split("\0") if name]
    return [ROOT / name for name in names] or [f for part in (CORE, *PLUGINS) for f in part.files()]


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    found = []
    for file in _tracked():
        try:
            text = file.read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += [f"{file.relative_to(ROOT)}: {line}" for line in text.splitlines() if MACHINE.search(line)]
    assert found == []


def test_the_core_names_no_driver_outside_its_catalogue() -> None:
    found = []
    for file in CORE.files():
        if file.suffix != ".py" or file.name == "catalog.py" or "testing" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                word = node.value.partition("://")[0]
                if word in DRIVERS - DEFAULTS:
                    found.append(f"{file.relative_to(ROOT)}:{node.lineno}: {node.value!r}")
    assert found == []


@pytest.mark.parametrize("part", PLUGINS, ids=lambda part: str(part.name))
def test_a_plugin_imports_only_the_public_core(part: Part) -> None:
    private = []
    for file in part.files():
        if file.suffix != ".py":
            continue
        for line, module in _imports(ast.parse(file.read_text())):
            if re.match(r"tq(\.|$)", module) and not any(
                f"{module}.".startswith(f"{name}.") for name in ALLOWED
            ):
                private.append(f"{file.relative_to(ROOT)}:{line}: {module}")
    assert private == []


def _imports(tree: ast.Module) -> list[tuple[int, str]]:
    """Return line and full name of everything imported: `from tq import app` is `tq.app`."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "tq"
                else [node.module]
            )
            found += [(node.lineno, module) for module in whole]
    return found
