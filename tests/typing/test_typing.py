"""The public API under mypy --strict and pyright: right programs pass, wrong ones fail on exactly their wrong lines."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GOOD, BAD = HERE / "good.py", HERE / "bad.py"
Complaints = dict[int, str]

needs_checkers = pytest.mark.skipif(
    not (importlib.util.find_spec("mypy") and importlib.util.find_spec("pyright")),
    reason="the type checkers are not installed here; `nox -s lint` has them",
)


def expected(file: Path) -> set[int]:
    """The lines of a file that end in the marker."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# error")}


def mypy(file: Path) -> Complaints:
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--no-error-summary"]
    done = subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.finditer(rf"^\S*{file.name}:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return {int(match[1]): match[2] for match in found}


def pyright(file: Path) -> Complaints:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(file)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    # What comes before the document is about the installation of node.
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return {
        item["range"]["start"]["line"] + 1: item["message"]
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    }


@needs_checkers
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_right_programs_pass(checker: Callable[[Path], Complaints]) -> None:
    assert checker(GOOD) == {}


@needs_checkers
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_each_wrong_line_is_found_and_no_other(checker: Callable[[Path], Complaints]) -> None:
    complaints = checker(BAD)
    assert len(expected(BAD)) > 25
    assert set(complaints) == expected(BAD), complaints
