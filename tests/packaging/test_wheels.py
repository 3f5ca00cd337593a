"""The wheels hold what they should and nothing else."""

from __future__ import annotations

import email
import email.message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import tq
from tests.packaging.wheel import open_wheel
from tests.project import BUNDLE, PARTS, ROOT, Part

WITH_CODE = [part for part in PARTS if part.package]


def _metadata(dist: Path, part: Part) -> email.message.Message:
    with open_wheel(dist, part.name) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(wheel.read(name))


@pytest.mark.parametrize("part", WITH_CODE, ids=lambda part: part.name)
def test_a_wheel_built_from_the_archive_holds_every_file_of_the_package_and_no_test(
    dist: Path, part: Part
) -> None:
    assert part.package is not None
    with open_wheel(dist, part.name) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {str(file.relative_to(part.package.parent)) for file in part.files()}
    assert f"{part.package.name}/py.typed" in packed


def test_the_bundle_holds_no_code(dist: Path) -> None:
    with open_wheel(dist, BUNDLE.name) as wheel:
        assert [name for name in wheel.namelist() if ".dist-info/" not in name] == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_metadata_names_license_readme_and_python_and_no_path(dist: Path, part: Part) -> None:
    metadata = _metadata(dist, part)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Summary"]
    requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    assert [r.url for r in requirements if r.url] == []
    assert str(ROOT) not in metadata.as_string()


def test_all_distributions_have_the_one_version(dist: Path) -> None:
    assert {_metadata(dist, part)["Version"] for part in PARTS} == {tq.__version__}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_ranges_between_the_distributions_include_the_version(dist: Path, part: Part) -> None:
    metadata = _metadata(dist, part)
    version = Version(metadata["Version"])
    ours = {p.name for p in PARTS}
    ranges = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    for requirement in (r for r in ranges if r.name in ours):
        assert version in requirement.specifier, str(requirement)
        assert Version(f"{version.major}.{version.minor + 1}") not in requirement.specifier, str(requirement)
