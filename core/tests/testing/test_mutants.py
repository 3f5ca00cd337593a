"""The suite is tested itself: each wrong plugin fails the test that it names."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tq.testing.mutants.backends import BACKENDS
from tq.testing.mutants.brokers import BROKERS
from tq.testing.mutants.hooks import HOOKS
from tq.testing.mutants.memories import MEMORIES
from tq.testing.mutants.pools import POOLS
from tq.testing.mutants.schedules import SCHEDULES
from tq.testing.mutants.serializers import SERIALIZERS

SUITE = Path(__file__).with_name("mutant_suite.py")
MUTANTS: tuple[Any, ...] = (*BROKERS, *MEMORIES, *BACKENDS, *SCHEDULES, *SERIALIZERS, *POOLS, *HOOKS)
# These would say that the mutant is broken, not that it was caught.
ACCIDENTS = ("AttributeError", "NameError", "ImportError", "TypeError", "KeyError")


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What failed on which mutant, and with which words; one process for all."""
    folder = tmp_path_factory.mktemp("mutants")
    report = folder / "report.xml"
    options = ["--noconftest", f"--rootdir={folder}", "-c", "/dev/null", "--import-mode=importlib"]
    quiet = ["-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}"]
    chosen = [f"{SUITE}::Test{mutant.__name__}::{mutant.caught_by}" for mutant in MUTANTS]
    command = [sys.executable, "-m", "pytest", *options, *quiet, *chosen]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert report.exists(), done.stdout + done.stderr
    return {
        f"{case.get('classname', '').rpartition('.Test')[2]}::{case.get('name')}": failure.get("message", "")
        for case in ElementTree.parse(report).iter("testcase")
        for failure in case.iter("failure")
    }


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_suite_catches(mutant: Any, failures: Mapping[str, str]) -> None:
    message = failures.get(f"{mutant.__name__}::{mutant.caught_by}")
    assert message is not None, f"{mutant.__doc__} {mutant.caught_by} did not notice"
    assert not message.startswith(ACCIDENTS), message
