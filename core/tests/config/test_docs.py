"""The committed reference is the one that the definitions give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tq.config import celery_names
from tq.config.definitions import DEFINITIONS
from tq.config.docs import reference

COMMITTED = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_committed_reference_is_up_to_date() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == reference(), (
        "write it anew: python -m tq.config.docs > docs/configuration.md"
    )


def test_the_command_prints_the_reference() -> None:
    printed = subprocess.run([sys.executable, "-m", "tq.config.docs"], capture_output=True, check=True)
    assert printed.stdout.decode() == reference()


@pytest.mark.parametrize(
    "name", [s.name for s in DEFINITIONS] + [*celery_names.REFUSED, *celery_names.WITHOUT_EFFECT]
)
def test_every_name_has_one_line_in_the_reference(name: str) -> None:
    lines = [line for line in reference().splitlines() if line.startswith(f"| `{name}` |")]
    assert len(lines) == 1
    assert lines[0].count("|") == (5 if any(s.name == name for s in DEFINITIONS) else 3)
