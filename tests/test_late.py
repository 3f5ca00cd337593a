"""Only what was late is run again, and only when it is little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT
from tests.run import second_chance

TESTS = """
from tests.processes import eventually

def test_late():
    eventually(lambda: False, "never", seconds=0)

def test_out_of_time():
    raise TimeoutError("a result")

def test_wrong():
    assert 1 + 1 == 3

def test_fine():
    pass
"""


@pytest.mark.parametrize("parallel", [(), ("-n", "1")], ids=["alone", "in processes"])
def test_what_was_late_is_told_from_what_was_wrong(parallel: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text(TESTS)
    assert failures_of(tmp_path, *parallel) == {
        "test_late": True,
        "test_out_of_time": True,
        "test_wrong": False,
    }


def failures_of(folder: Path, *parallel: str) -> dict[str, bool]:
    """Which tests of a folder fail, and whether each was late."""
    failed = folder / "failed.json"
    options = (
        "-p",
        "tests.late",
        "-p",
        "no:cacheprovider",
        f"--failed-file={failed}",
        f"--rootdir={folder}",
    )
    command = [sys.executable, "-m", "pytest", "-q", *options, *parallel, str(folder)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 1
    return {test.partition("::")[2]: late for test, late in json.loads(failed.read_text()).items()}


def test_what_fails_after_the_clock_was_set_is_late(tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text("import time; real = time.time; time.time = lambda: real() - 1")
    assert set(failures_of(tmp_path).values()) == {True}


def test_what_was_wrong_gets_no_second_chance() -> None:
    assert second_chance({"a.py::one": True, "b.py::two": True}) == ["a.py::one", "b.py::two"]
    assert second_chance({"a.py::one": True, "b.py::two": False}) == []
    assert second_chance({f"{name}.py::test": True for name in "abcd"}) == []
    assert second_chance({}) == []
