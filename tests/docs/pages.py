"""The pages of the repository, and the code in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.project import ROOT

DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^( *)```([\w+-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|toml))\b")


@dataclass(frozen=True)
class Block:
    """One fenced block. `file` is the name that its first line gives it, or empty."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str:
        """The name of the file that the block is."""
        found = _FILE.match(self.text)
        return found[1] if found else ""


def blocks(page: Path) -> Iterator[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(found[2], textwrap.dedent(found[3]), text.count("\n", 0, found.start()) + 2)


def files(page: Path) -> dict[str, str]:
    """Return the blocks of a page that are files, without the line that names them."""
    return {block.file: block.text.partition("\n")[2] for block in blocks(page) if block.file}


def pages() -> list[Path]:
    """Return all pages of the project."""
    found = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("core/*.md"), *ROOT.glob("plugins/*/*.md")]
    return sorted([*found, *ROOT.glob("bench/*.md"), *ROOT.glob("examples/**/*.md")])
