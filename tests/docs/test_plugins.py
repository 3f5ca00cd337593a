"""The tables of docs/plugins.md are those that the plugins declare."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.project import BUNDLE, PLUGINS
from tq.contracts import BackendCap, Cap, PoolCap, ScheduleCap
from tq.errors import ImproperlyConfigured
from tq.plugins import docs
from tq.plugins.observer import hook_names

PAGE = DOCS / "plugins.md"


def test_the_page_is_up_to_date() -> None:
    for plugin in PLUGINS:
        assert distribution(plugin.name), f"{plugin.name} is not installed, so its column cannot be compared"
    page = PAGE.read_text("utf-8")
    assert docs.filled(page) == page, "write it anew: python -m tq.plugins.docs docs/plugins.md"


def test_every_capability_and_hook_has_a_line_with_its_meaning() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    flags = [str(flag.name) for caps in (Cap, BackendCap, ScheduleCap, PoolCap) for flag in caps]
    for name in [*hook_names(), *flags]:
        found = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert found, name
        assert all(line.split("|")[-2].strip() for line in found), found


def test_every_plugin_and_every_bundle_is_named() -> None:
    page = PAGE.read_text("utf-8")
    for plugin in PLUGINS:
        assert f"| {plugin.name} |" in page
    bundles = BUNDLE.project["optional-dependencies"]
    assert [name for name in bundles if f"`tq[{name}]`" not in page] == []


def test_marks_that_fit_no_table_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="brokers"):
        docs.filled("a page without marks")


def test_the_command_writes_into_the_page_it_is_given(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text("utf-8").replace("| `DELAY` |", "| `STALE` |"), "utf-8")
    subprocess.run([sys.executable, "-m", "tq.plugins.docs", copy], check=True)
    assert copy.read_bytes() == PAGE.read_bytes()
    printed = subprocess.run(
        [sys.executable, "-m", "tq.plugins.docs"], capture_output=True, check=True, text=True
    )
    assert "| `DELAY` |" in printed.stdout
