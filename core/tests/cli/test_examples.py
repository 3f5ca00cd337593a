"""The examples run as their first lines say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Start, programs

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in EXAMPLES.glob("*.py"):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture
def begin(folder: Path) -> Iterator[Start]:
    with programs(folder) as start:
        yield start


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_hello(folder: Path, begin: Start) -> None:
    begin("-A", "hello", "worker", "-P", "solo")
    assert run(folder, "hello.py").stdout == "Hello, world!\n"


def test_word_count(folder: Path, begin: Start) -> None:
    (folder / "a.txt").write_text("one and two\n")
    begin("-A", "word_count", "worker", "-P", "solo")
    ended = run(folder, "word_count.py", "a.txt", "nothing.txt")
    assert ended.stdout.split() == ["3", "a.txt"], ended.stderr
    assert "nothing.txt: " in ended.stderr


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert [file.name for file in EXAMPLES.glob("*.py") if f"({file.name})" not in listed] == []
