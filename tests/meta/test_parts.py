"""Every distribution has what the others count on."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from tests.project import ALWAYS, BUNDLE, CORE, EXAMPLES, PARTS, PLUGINS, ROOT, Part

OURS = {part.name for part in PARTS}


def by_name(part: Part) -> str:
    """Name a parameter."""
    return part.name


@pytest.mark.parametrize("part", PLUGINS, ids=by_name)
def test_a_plugin_has_readme_types_and_tests_that_use_a_conformance_suite(part: Part) -> None:
    assert part.package is not None
    assert part.name == f"tq-{part.folder.name}"
    assert (part.folder / "README.md").read_text().startswith("# ")
    assert (part.package / "py.typed").exists()
    tests = [file.read_text() for file in part.folder.glob("tests/**/*.py")]
    assert tests
    assert any(re.search(r"class \w+\(.*\w+Conformance\)", text) for text in tests), (
        "no conformance suite is used"
    )


@pytest.mark.parametrize("part", PARTS, ids=by_name)
def test_the_version_is_written_in_one_place(part: Part) -> None:
    assert part.project["dynamic"] == ["version"]
    path = part.folder / part.toml["tool"]["hatch"]["version"]["path"]
    assert path.resolve() == (ROOT / "core" / "tq" / "_version.py").resolve()


@pytest.mark.parametrize("part", PARTS, ids=by_name)
def test_our_distributions_are_required_in_the_range_of_the_version(part: Part) -> None:
    ours = [Requirement(text) for text in part.requirements if Requirement(text).name in OURS]
    assert {str(requirement.specifier) for requirement in ours} <= {"<0.2,>=0.1"}


def test_a_plugin_requires_no_other_plugin_and_the_core_requires_none_of_ours() -> None:
    for part in PLUGINS:
        assert {Requirement(text).name for text in part.requirements} & OURS == {"tq-core"}, part.name
    assert {Requirement(text).name for text in CORE.requirements} & OURS == set()


def test_the_bundle_brings_the_defaults_and_has_an_extra_for_every_plugin_and_no_dead_one() -> None:
    extras = BUNDLE.project["optional-dependencies"]
    assert {Requirement(text).name for text in BUNDLE.project["dependencies"]} >= {
        "tq-core",
        *(f"tq-{name}" for name in ALWAYS),
    }
    for plugin in PLUGINS:
        assert [Requirement(text).name for text in extras[plugin.folder.name]] == [plugin.name]
    named = {Requirement(text).name for listed in extras.values() for text in listed}
    assert named == {plugin.name for plugin in PLUGINS}
    assert {Requirement(text).name for text in extras["all"]} == named


def test_an_extra_of_the_bundle_asks_only_for_extras_that_the_plugin_has() -> None:
    has = {plugin.name: set(plugin.project.get("optional-dependencies", {})) for plugin in PLUGINS}
    for listed in BUNDLE.project["optional-dependencies"].values():
        for requirement in map(Requirement, listed):
            assert requirement.extras <= has[requirement.name], str(requirement)


def test_linters_and_workspace_know_every_part() -> None:
    tool = BUNDLE.toml["tool"]
    packages = {"tq", *(f"tq_{plugin.folder.name}" for plugin in PLUGINS)}
    examples = {example.package.name for example in EXAMPLES if example.package}
    assert set(tool["importlinter"]["root_packages"]) == packages | examples
    [strangers] = [each for each in tool["importlinter"]["contracts"] if "stranger" in each["name"]]
    assert set(strangers["source_modules"]) == examples
    assert packages <= set(tool["ruff"]["lint"]["isort"]["known-first-party"])
    assert set(tool["uv"]["sources"]) == {"tq-core", *(plugin.name for plugin in PLUGINS)}
