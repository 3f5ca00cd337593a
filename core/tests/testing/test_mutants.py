"""The suite is tested itself: each wrong broker fails the test that it names."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tq.testing import BrokerConformance
from tq.testing.mutants import MUTANTS, Mutant

SUITE = Path(__file__).with_name("mutant_suite.py")


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What failed on which mutant, and with which words; one process for all."""
    folder = tmp_path_factory.mktemp("mutants")
    chosen = [f"{SUITE}::Test{mutant.__name__}::{mutant.caught_by}" for mutant in MUTANTS]
    report = folder / "report.xml"
    options = [
        "-q",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "--tb=short",
        f"--junitxml={report}",
    ]
    command = [sys.executable, "-m", "pytest", f"--rootdir={folder}", "-c", "/dev/null", *options, *chosen]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert report.exists(), done.stdout + done.stderr
    return {
        f"{case.get('classname', '').rpartition('.Test')[2]}::{case.get('name')}": failure.get("message", "")
        for case in ElementTree.parse(report).iter("testcase")
        for failure in case.iter("failure")
    }


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_suite_catches(mutant: type[Mutant], failures: Mapping[str, str]) -> None:
    message = failures.get(f"{mutant.__name__}::{mutant.caught_by}")
    assert message is not None, f"{mutant.__doc__} {mutant.caught_by} did not notice"
    assert message.startswith(("AssertionError", "assert ", "Failed: DID NOT RAISE")), message


def test_every_mutant_names_a_test_that_exists() -> None:
    for mutant in MUTANTS:
        assert hasattr(BrokerConformance, mutant.caught_by.partition("[")[0]), mutant
