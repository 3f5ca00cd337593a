"""Nothing of Celery's public names is missing in silence: docs/migrating.md names what is not there, and why."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.program import ROOT, clean_environment
from tq.config.celery_names import is_celery
from tq.config.definitions import DEFINITIONS

Names = dict[str, set[str]]
_ROW = re.compile(r"^\| (\w+) \| ((?:`\w+`[, ]*)+)\| .+ \|$", re.MULTILINE)


def names_of(python: Path | str, side: str) -> Names:
    done = subprocess.run(
        [python, ROOT / "tests/interop/public_names.py", side],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {place: set(names) for place, names in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def celerys(celery_python: Path) -> Names:
    """All names of Celery."""
    return names_of(celery_python, "celery")


def test_each_public_name_is_there_or_documented_as_missing(celerys: Names) -> None:
    ours = names_of(sys.executable, "tq")
    missing = {(place, name) for place in ours for name in celerys[place] - ours[place]}
    section = (ROOT / "docs/migrating.md").read_text().partition("## Names that are not there")[2]
    told = {(place, name) for place, names in _ROW.findall(section) for name in re.findall(r"`(\w+)`", names)}
    assert told - missing == set(), "documented as missing, and there"
    assert missing - told == set(), "missing, and not documented"


def test_each_setting_is_read_or_refused_with_a_reason(celerys: Names) -> None:
    known = {setting.name for setting in DEFINITIONS}
    assert sorted(name for name in celerys["conf"] if name not in known and not is_celery(name)) == []
