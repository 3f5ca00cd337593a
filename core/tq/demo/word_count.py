"""An app as any other: it counts what is in text files. This is the source of `tq demo`.

    tq -A tq.demo worker                                  runs its tasks
    tq -A tq.demo call tq.demo.word_count.count -a '["README.md"]' --wait 5

`TQ("word_count")` says nothing of a broker, so the settings do (TQ_BROKER_URL, tq.toml, `-b`), and without any
it is a file below the working directory.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TypedDict

from tq import TQ

app = TQ("word_count", set_as_current=False)

KEPT_WORDS = 100
_WORD = re.compile(r"[^\W\d_]{2,}")


class Statistics(TypedDict):
    """What one file holds: sizes in bytes, characters for the longest line, and its most common words."""

    size: int
    lines: int
    words: int
    longest_line: int
    top_words: dict[str, int]


@app.task
def count(path: str) -> Statistics:
    """Read a file and count. Raises `ValueError` for what is no UTF-8 text, `OSError` for what cannot be read."""
    raw = Path(path).read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError(f"not UTF-8 text: {exc.reason} at byte {exc.start}") from None
    lines = text.splitlines()
    words = Counter(word.lower() for word in _WORD.findall(text))
    return Statistics(
        size=len(raw),
        lines=len(lines),
        words=words.total(),
        longest_line=max(map(len, lines), default=0),
        top_words=dict(words.most_common(KEPT_WORDS)),
    )
