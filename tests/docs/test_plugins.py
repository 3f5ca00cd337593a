"""What docs/plugins says of plugins, contracts and suites is what these declare."""

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
from tq.testing.docs import texts

FOLDER = DOCS / "plugins"
PAGE = FOLDER / "README.md"
ALL = "\n".join(page.read_text("utf-8") for page in sorted(FOLDER.glob("*.md")))


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: str(page.name))
def test_the_pages_are_up_to_date(page: Path) -> None:
    for plugin in PLUGINS:
        assert distribution(plugin.name), f"{plugin.name} is not installed, so its column cannot be compared"
    text = page.read_text("utf-8")
    assert docs.filled(text, texts()) == text, "write them anew: python -m tq.testing.docs docs/plugins"


def test_everything_that_is_generated_is_on_one_page() -> None:
    assert {name: ALL.count(f"<!-- begin {name} -->") for name in texts()} == dict.fromkeys(texts(), 1)


def test_every_rule_of_brokers_has_its_reason_on_the_page() -> None:
    rules = [line for line in texts()["broker_rules"].splitlines() if line]
    assert len(rules) == 7
    assert [rule for rule in rules if "<br>*Why:* " not in rule] == []


def test_what_breaks_most_often_is_explained_test_by_test() -> None:
    for name in ("broken_by_brokers", "broken_by_backends"):
        _, _, *rows = texts()[name].splitlines()
        reasons = [row.split(" | ")[1] for row in rows]
        assert len(rows) >= 5
        assert len(set(reasons)) == len(rows), (
            "a reason is that of the whole module: give the test a docstring"
        )


def test_every_capability_and_hook_has_a_line_with_its_meaning() -> None:
    lines = ALL.splitlines()
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
    with pytest.raises(ImproperlyConfigured, match="nothing is known of the mark fishes.* brokers"):
        docs.filled("<!-- begin fishes -->\n<!-- end fishes -->", docs.tables())


def test_the_command_writes_into_the_page_it_is_given(tmp_path: Path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text("utf-8").replace("| `DELAY` |", "| `STALE` |"), "utf-8")
    subprocess.run([sys.executable, "-m", "tq.plugins.docs", copy], check=True)
    assert copy.read_bytes() == PAGE.read_bytes()
    printed = subprocess.run(
        [sys.executable, "-m", "tq.plugins.docs"], capture_output=True, check=True, text=True
    )
    assert "| `DELAY` |" in printed.stdout
