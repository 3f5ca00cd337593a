"""New plugins (`tq plugin new`) are as strict as tq: formatted, linted, and typed by their own settings."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tq.plugins.scaffold import DRAFTS, LONGEST, project

needs_linters = pytest.mark.skipif(
    not (importlib.util.find_spec("mypy") and importlib.util.find_spec("ruff")),
    reason="the linters are not installed here; `nox -s lint` has them",
)
NAMES = ("carrier", "x" * (LONGEST - 2) + "-y")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy learns of tq is the same for all."""
    return tmp_path_factory.mktemp("cache")


def passes(folder: Path, *command: str | Path) -> None:
    words = [sys.executable, "-m", *map(str, command)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_linters
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", DRAFTS)
def test_a_new_plugin_is_formatted_and_linted(kind: str, name: str, tmp_path: Path) -> None:
    project(kind, name).write(tmp_path / "new")
    passes(tmp_path / "new", "ruff", "format", "--no-cache", "--check", ".")
    passes(tmp_path / "new", "ruff", "check", "--no-cache", ".")


@needs_linters
@pytest.mark.parametrize("kind", DRAFTS)
def test_a_new_plugin_is_typed_strictly(kind: str, tmp_path: Path, cache: Path) -> None:
    made = project(kind, "carrier")
    made.write(tmp_path / "new")
    settings = (tmp_path / "new" / "pyproject.toml").read_text("utf-8")
    assert "strict = true" in settings
    passes(tmp_path / "new", "mypy", "--cache-dir", cache, made.package, "tests")
