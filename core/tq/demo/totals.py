"""What all files hold together, and how the run went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tq.demo.run import Done

SHOWN = 10


class FileSize(msgspec.Struct, frozen=True):
    """A file and a number: bytes, or characters of its longest line."""

    path: str
    value: int


class Failure(msgspec.Struct, frozen=True):
    """A file that could not be counted."""

    path: str
    error: str


class Totals(msgspec.Struct, frozen=True):
    """Sums over all files that were counted."""

    files: int
    bytes: int
    lines: int
    words: int
    longest_line: FileSize | None
    top_words: list[tuple[str, int]]
    largest: list[FileSize]


class Latency(msgspec.Struct, frozen=True):
    """Seconds from sending a task to its end."""

    p50: float
    p95: float
    p99: float


class Figures(msgspec.Struct, frozen=True):
    """How tq did."""

    tasks: int
    failures: int
    seconds: float
    tasks_per_second: float
    latency: Latency | None
    workers: int
    pool: str
    broker: str
    backend: str


class Outcome(msgspec.Struct, frozen=True):
    """All that the demo has to say."""

    path: str
    skipped: dict[str, int]
    totals: Totals
    figures: Figures
    failures: list[Failure]


def totals(done: Sequence[Done], root: Path) -> Totals:
    """Add up what the tasks returned."""
    counted = [(_below(item.path, root), item.meta.result) for item in done if item.meta.status == "SUCCESS"]
    words: Counter[str] = Counter()
    for _, statistics in counted:
        words.update(statistics["top_words"])
    by_size = sorted(counted, key=lambda pair: (-pair[1]["size"], pair[0]))
    longest = max(counted, key=lambda pair: pair[1]["longest_line"], default=None)
    return Totals(
        files=len(counted),
        bytes=_sum(counted, "size"),
        lines=_sum(counted, "lines"),
        words=_sum(counted, "words"),
        longest_line=FileSize(longest[0], longest[1]["longest_line"]) if longest else None,
        top_words=words.most_common(SHOWN),
        largest=[FileSize(path, statistics["size"]) for path, statistics in by_size[:SHOWN]],
    )


def failures(done: Sequence[Done], root: Path) -> list[Failure]:
    """What could not be counted, with the error of its task."""
    return [
        Failure(_below(item.path, root), _error(item.meta.result))
        for item in done
        if item.meta.status != "SUCCESS"
    ]


def latency(done: Sequence[Done]) -> Latency | None:
    """Percentiles by the nearest rank; None without any task."""
    ordered = sorted(item.seconds for item in done)
    if not ordered:
        return None
    return Latency(*(percentile(ordered, share) for share in (50, 95, 99)))


def percentile(ordered: Sequence[float], share: int) -> float:
    """The smallest of these values that `share` per cent of them do not exceed."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def _sum(counted: Sequence[tuple[str, Any]], field: str) -> int:
    return sum(statistics[field] for _, statistics in counted)


def _below(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path != root and path.is_relative_to(root) else str(path)


def _error(result: Any) -> str:
    if not isinstance(result, dict):
        return str(result)
    message = result.get("exc_message")
    text = ", ".join(map(str, message)) if isinstance(message, (list, tuple)) else str(message)
    return f"{result.get('exc_type')}: {text}"
