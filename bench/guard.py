"""Which ratios fell, against those that were committed."""

from __future__ import annotations

from typing import Any

from bench.report import ratios

TOLERANCE = 0.8


def slower(result: dict[str, Any], committed: dict[str, dict[str, float]]) -> list[str]:
    """A line for each ratio that fell by more than a fifth. Rows and peers that were not measured are passed over."""
    return [
        f"{row}: {now[peer]:.1f} times {peer}, was {before:.1f}"
        for row, now in ratios(result).items()
        for peer, before in committed.get(row, {}).items()
        if peer in now and now[peer] < before * TOLERANCE
    ]
