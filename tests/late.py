"""Tells what was late from what was wrong, so that only what was late is tried again.

Many processes share the machine of a test run, so now and then something does not happen within its generous limit.
That is no verdict on the queue, and it is none in favour of it either: `tests.run` runs such a test again, alone. A test
that failed for any other reason has failed. The same holds while somebody sets the clock of the machine: what stores and
tests order by it is in no order then.
"""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tq.testing.waiting import NotInTime

LATE = (NotInTime, TimeoutError, concurrent.futures.TimeoutError, subprocess.TimeoutExpired)
"""What says that a time was over; tq's own TimeoutError is one of Python's."""
SET = 0.05
"""Seconds by which a clock does not go wrong by itself in a test run."""


def _ahead() -> float:
    return time.time() - time.monotonic()


_AT_START = _ahead()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write down what failed."""
    parser.addoption("--failed-file", type=Path, help="write the failed tests into this file, for tests.run")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in the report, which may travel to another process, whether a time was over, or was set."""
    report = yield
    if call.excinfo is not None:
        report.__dict__["late"] = isinstance(call.excinfo.value, LATE) or abs(_ahead() - _AT_START) > SET
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Keep a list in the process that hears of all tests."""
    file: Path | None = config.getoption("--failed-file")
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(file))


class Failures:
    """Tests that failed in this session, and whether each of their failures was a time that was over."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._late: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what failed."""
        if report.failed:
            late = getattr(report, "late", False)
            self._late[report.nodeid] = self._late.get(report.nodeid, True) and late

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._file.write_text(json.dumps(self._late))
