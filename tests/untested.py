"""The end of a test run says what was not tested, and why."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

# So the conformance suites begin the reason when a capability is not there: nothing that could be tested.
_UNDECLARED = "not declared by "


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each reason for skipping with the places and numbers of tests; nothing when all ran."""
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    undeclared = 0
    for report in terminalreporter.stats.get("skipped", []):
        reason = _reason(report)
        if reason.startswith(_UNDECLARED):
            undeclared += 1
        else:
            reasons[reason][report.nodeid.partition("::")[0]] += 1
    if not reasons and not undeclared:
        return
    terminalreporter.section("not tested, and why")
    for reason, places in sorted(reasons.items()):
        terminalreporter.write_line(reason)
        for place, number in sorted(places.items()):
            terminalreporter.write_line(f"    {_tests(number)} in {place}")
    if undeclared:
        terminalreporter.write_line(f"{_tests(undeclared)} of what a plugin does not declare to have")


def _tests(number: int) -> str:
    return f"{number} test{'' if number == 1 else 's'}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
