"""The end of a test run says what was not tested, and why."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each reason for skipping with the places and numbers of tests; nothing when all ran."""
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.stats.get("skipped", []):
        reasons[_reason(report)][report.nodeid.partition("::")[0]] += 1
    if not reasons:
        return
    terminalreporter.section("not tested, and why")
    for reason, places in sorted(reasons.items()):
        terminalreporter.write_line(reason)
        for place, number in sorted(places.items()):
            terminalreporter.write_line(f"    {number} test{'s' if number > 1 else ''} in {place}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
