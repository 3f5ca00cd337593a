"""The list at the end of a test run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _run(folder: Path, tests: str, *, ci: str = "") -> str:
    (folder / "test_some.py").write_text(
        f"import pytest\nfrom tests.services.fixtures import unavailable\n{tests}"
    )
    options = ("-c", "/dev/null", f"--rootdir={folder}", "-p", "tests.untested", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


SKIPPING = """
def test_one():
    unavailable("no thing found; install thing with: get thing")
def test_two():
    unavailable("no thing found; install thing with: get thing")
@pytest.mark.skip(reason="not declared by ThingBroker: Cap.DELAY")
def test_three(): ...
"""


def test_each_reason_is_listed_once_with_its_tests_and_the_command(tmp_path: Path) -> None:
    out = _run(tmp_path, SKIPPING)
    assert "not tested, and why" in out
    assert "no thing found; install thing with: get thing\n    2 tests in test_some.py\n" in out
    assert "1 test of what a plugin does not declare to have" in out


def test_in_ci_a_missing_service_is_a_failure(tmp_path: Path) -> None:
    out = _run(tmp_path, SKIPPING, ci="true")
    assert "2 failed, 1 skipped" in out
    assert "CI=true forbids that: no thing found" in out


def test_nothing_is_listed_when_all_ran(tmp_path: Path) -> None:
    assert "not tested" not in _run(tmp_path, "def test_one(): pass\n")
