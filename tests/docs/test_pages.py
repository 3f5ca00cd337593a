"""Links lead somewhere, and the code of the pages compiles, imports and runs."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Block, blocks, files, pages
from tests.processes import Program
from tests.project import ROOT

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_TOP_LEVEL_AWAIT = 0x2000
"""`ast.PyCF_ALLOW_TOP_LEVEL_AWAIT`: pages show `await` outside of functions, as a shell takes it."""
CODE = [(page, block) for page in pages() for block in blocks(page) if block.language in ("python", "toml")]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_something(page: Path) -> None:
    dead = []
    for target in _LINK.findall(page.read_text("utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = (target.partition("#")[0] for target in _LINK.findall(page.read_text("utf-8")))
        found = [(page.parent / link).resolve() for link in links if link and "://" not in link]
        todo += [file for there in found for file in (there.glob("*.md") if there.is_dir() else [there])]
    assert sorted(str(page.relative_to(ROOT)) for page in set(DOCS.rglob("*.md")) - seen) == []


@pytest.mark.parametrize(
    ("page", "block"), CODE, ids=[f"{page.relative_to(ROOT)}:{block.line}" for page, block in CODE]
)
def test_code_can_be_read(page: Path, block: Block) -> None:
    if block.language == "toml":
        tomllib.loads(block.text)
    else:
        compile(block.text, f"{page}:{block.line}", "exec", flags=_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    ("page", "arguments", "answer"),
    [
        (ROOT / "README.md", ("shop.charge", "--args", "[42]"), "order 42 is paid"),
        (DOCS / "quickstart.md", ("shop.add", "--args", "[1, 2]"), "3"),
    ],
    ids=["README", "quickstart"],
)
def test_the_first_app_runs(page: Path, arguments: Sequence[str], answer: str, tmp_path: Path) -> None:
    # The quick start names a server; without one it is the embedded file, as the page says.
    source = re.sub(r', broker="redis:[^)]*', "", files(page)["shop.py"])
    (tmp_path / "shop.py").write_text(source, "utf-8")
    tq = (sys.executable, "-m", "tq", "--workdir", str(tmp_path), "-A", "shop")
    worker = Program([*tq, "worker", "-l", "info", "-c", "2"])
    try:
        call = Program([*tq, "call", *arguments, "--wait", "30"])
        try:
            assert call.wait() == 0, call.output() + worker.tail()
            assert answer in call.output()
        finally:
            call.close()
        worker.stop()
    finally:
        worker.close()


def test_the_workflows_of_the_page_run(tmp_path: Path) -> None:
    found = files(DOCS / "canvas.md")
    for name, text in found.items():
        (tmp_path / name).write_text(text, "utf-8")
    worker = Program(
        [
            sys.executable,
            "-m",
            "tq",
            "--workdir",
            str(tmp_path),
            "-A",
            "flows",
            "worker",
            "-l",
            "info",
            "-c",
            "2",
        ]
    )
    steps = "import os, sys; sys.path.insert(0, {0!r}); os.chdir({0!r}); import {1}"
    try:
        for name in found.keys() - {"flows.py"}:
            script = Program(
                [sys.executable, "-c", steps.format(str(tmp_path), name.removesuffix(".py"))],
            )
            try:
                assert script.wait() == 0, script.output() + worker.tail()
            finally:
                script.close()
        worker.stop()
    finally:
        worker.close()


def test_every_name_that_migrating_recommends_can_be_imported() -> None:
    page = (DOCS / "migrating.md").read_text("utf-8").partition("## Names")[2]
    lines = re.findall(r"`(from (?:tq|logging)[^`]*)`", page)
    assert len(lines) > 10
    for line in lines:
        exec(line, {})  # noqa: S102
