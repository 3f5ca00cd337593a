"""A plugin of pytest: tells `tq plugins check` what holds, line by line, over a pipe."""

from __future__ import annotations

import os
import re

import msgspec
import pytest

from tq.plugins.trial import Begun, Ended, Event
from tq.testing.live.target import target
from tq.testing.rules import Rule, rule_of

_WORDS = {"passed": "holds", "failed": "fails", "skipped": "not tested"}
_OF_TEST_FILES = re.compile(r"^no fixture `\w+` in \w+: ")
"""Who checks a URL has no test file to put a fixture into."""
_LONGEST = 2000
"""Characters of what is said about a failure."""


class Reporter:
    """Writes one line for each event."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rules: dict[str, Rule] = {}
        self._seen: dict[str, Ended] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.testsfailed:
            return  # what could not be imported is said by pytest
        for item in session.items:
            assert isinstance(item, pytest.Function)
            self._rules[item.nodeid] = rule_of(item.function)
        self._tell(Begun(len(session.items)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has three parts; the worst of them counts."""
        rule = self._rules[report.nodeid]
        before = self._seen.get(report.nodeid)
        if before is None or (report.outcome != "passed" and before.outcome == "holds"):
            self._seen[report.nodeid] = Ended(
                sentence=rule.sentence + _case(report.nodeid),
                area=rule.area,
                reason=rule.reason,
                outcome=_WORDS[report.outcome],
                found="" if report.passed else _found(report),
            )
        if report.when == "teardown":
            self._tell(self._seen.pop(report.nodeid))

    def _tell(self, event: Event) -> None:
        os.write(self._descriptor, msgspec.json.encode(event) + b"\n")


def _case(nodeid: str) -> str:
    """The value of a test that is run for several."""
    _, bracket, value = nodeid.partition("[")
    return f" ({value.removesuffix(']')})" if bracket else ""


def _found(report: pytest.TestReport) -> str:
    told = report.longrepr
    if isinstance(told, tuple):
        return _OF_TEST_FILES.sub("", str(told[2]).removeprefix("Skipped: "))
    crash = getattr(told, "reprcrash", None)
    return str(getattr(crash, "message", told))[:_LONGEST]


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest, which was told of this module by name."""
    config.pluginmanager.register(Reporter(target().events))
