"""Tells what was late from what was wrong, so that only what was late is tried again.

Many processes share the machine of a test run, so now and then something does not happen within its generous limit.
That is no verdict on the queue, and it is none in favour of it either: `tests.run` runs such a test again, alone. A test
that failed for any other reason has failed.
"""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.processes.eventually import NotInTime

LATE = (NotInTime, TimeoutError, concurrent.futures.TimeoutError, subprocess.TimeoutExpired)
"""What says that a time was over; tq's own TimeoutError is one of Python's."""
_failed: dict[str, bool] = {}
"""Tests that failed in this session, and whether each of their failures was a time that was over."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write down what failed."""
    parser.addoption("--failed-file", type=Path, help="write the failed tests into this file, for tests.run")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in the report, which may travel to another process, whether a time was over."""
    report = yield
    if call.excinfo is not None:
        report.__dict__["late"] = isinstance(call.excinfo.value, LATE)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what failed."""
    if report.failed:
        _failed[report.nodeid] = _failed.get(report.nodeid, True) and getattr(report, "late", False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write it down, in the process that heard of all."""
    file: Path | None = session.config.getoption("--failed-file")
    if file is not None and not hasattr(session.config, "workerinput"):
        file.write_text(json.dumps(_failed))
