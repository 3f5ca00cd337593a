"""`docs/interop.md` names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_test_that_is_named_is_there() -> None:
    page = (ROOT / "docs" / "interop.md").read_text()
    named = set(re.findall(r"`([\w/]*test_\w+\.py)`", page))
    assert len(named) > 10
    places = (ROOT / "tests" / "interop", ROOT)
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []
