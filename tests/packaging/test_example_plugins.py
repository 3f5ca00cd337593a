"""The plugins of examples/plugins: installed as a stranger's, into an environment with nothing else, and tested there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.environment import Environment, run
from tests.project import EXAMPLES, Part


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda part: part.name)
def test_an_example_plugin_is_found_and_passes_its_own_tests(
    dist: Path, environment: Callable[..., Environment], tmp_path: Path, example: Part
) -> None:
    project = tmp_path / example.name
    shutil.copytree(example.folder, project, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    alone = environment()
    alone.uv("install", "--find-links", dist, project, "--group", f"{project / 'pyproject.toml'}:test")
    assert alone.ours() == {"tq-core", example.name}
    shutil.rmtree(project / example.name.replace("-", "_"))  # what is installed is what is tested
    listed = json.loads(run(alone.folder / "bin" / "tq", "plugins", "--json", cwd=tmp_path))
    assert [plugin["error"] for plugin in listed if plugin["distribution"] == example.name] == [None]
    report = run(alone.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert "passed" in report
    assert "no nats-server" not in report
