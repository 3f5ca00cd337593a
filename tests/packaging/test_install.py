"""What `pip install` brings: the named plugins, found, and no others."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environment import Environment, run
from tests.packaging.wheel import hashed_files
from tests.project import ALWAYS, BUNDLE, CORE, PLUGINS, ROOT, Part

MakeEnvironment = Callable[..., Environment]
BASE = {"tq", "tq-core", *(f"tq-{name}" for name in ALWAYS)}


def _declared(parts: Iterable[Part]) -> dict[str, set[str]]:
    """Return the entry points that the pyproject files of these parts declare, by group."""
    declared: dict[str, set[str]] = {}
    for part in parts:
        for group, points in part.project.get("entry-points", {}).items():
            declared.setdefault(group, set()).update(points)
    return declared


def _named(extra: str) -> set[str]:
    """Return the distributions of ours that an extra of `tq` lists."""
    listed = {Requirement(text).name for text in BUNDLE.project["optional-dependencies"][extra]}
    return listed & {plugin.name for plugin in PLUGINS}


def _same_files(dist: Path, environment: Environment) -> bool:
    """Say whether everything of tq's that is installed came from our wheels, by the hashes."""
    installed = environment.distributions()
    return all(
        hashed_files(dist, name) <= set(installed[name][1].splitlines()) for name in environment.ours()
    )


def test_one_extra_brings_its_plugin_and_no_other(dist: Path, environment: MakeEnvironment) -> None:
    empty = environment()
    empty.uv("install", "--find-links", dist, "tq[redis]")
    assert empty.ours() == BASE | {"tq-redis"}
    assert _same_files(dist, empty)
    parts = [CORE, *(p for p in PLUGINS if p.name in empty.ours())]
    assert {group: set(names) for group, names in empty.loaded_entry_points().items()} == _declared(parts)
    listed = json.loads(run(empty.folder / "bin" / "tq", "plugins", "--json", cwd=empty.folder))
    assert {plugin["distribution"] for plugin in listed} == {"tq-core", "tq-sql", "tq-prefork", "tq-redis"}
    assert [plugin for plugin in listed if plugin["error"]] == []


def test_without_an_extra_there_are_the_embedded_broker_and_the_default_pool(
    dist: Path, environment: MakeEnvironment
) -> None:
    empty = environment()
    empty.uv("install", "--find-links", dist, "tq")
    assert empty.ours() == BASE
    found = empty.loaded_entry_points()
    assert "sqlite" in found["tq.brokers"]
    assert "prefork" in found["tq.pools"]


@pytest.mark.parametrize("extra", sorted(BUNDLE.project["optional-dependencies"]))
def test_every_extra_resolves_to_the_plugins_it_names(dist: Path, tmp_path: Path, extra: str) -> None:
    wanted = tmp_path / "wanted.in"
    wanted.write_text(f"tq[{extra}]\n")
    answer = run(sys.executable, "-m", "uv", "pip", "compile", "--find-links", dist, "--no-header", wanted)
    assert set(re.findall(r"^(tq[a-z0-9-]*)(?:\[.*\])?==", answer, re.MULTILINE)) == BASE | _named(extra)


def test_plain_pip_takes_all_of_tq_from_our_wheels(dist: Path, environment: MakeEnvironment) -> None:
    words = ("install", "--quiet", "--dry-run", "--report", "-", "--find-links", dist, "tq[all]")
    report = json.loads(environment(pip=True).pip(*words))
    places = {item["metadata"]["name"]: item["download_info"]["url"] for item in report["install"]}
    ours = {name: url for name, url in places.items() if name == "tq" or name.startswith("tq-")}
    assert set(ours) == BASE | _named("all")
    assert [url for url in ours.values() if not url.startswith(dist.as_uri())] == []


def test_the_first_command_of_the_readme_works_in_a_fresh_environment(environment: MakeEnvironment) -> None:
    line = re.search(r"python -m pip install (\./core[^&\n]*)", (ROOT / "README.md").read_text())
    assert line, "README.md no longer shows how to install from a checkout"
    fresh = environment(pip=True)
    fresh.pip("install", "--quiet", *shlex.split(line[1]), cwd=ROOT)
    assert fresh.ours() >= BASE
    assert "sqlite" in fresh.loaded_entry_points()["tq.brokers"]
