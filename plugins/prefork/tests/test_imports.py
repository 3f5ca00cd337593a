"""Forks beside a thread that imports a module: no child may come to wait for that import."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefork_workshop import Job, Running, Workshop, until

from tq.contracts.pool import StopMode
from tq_prefork.imports import ImportGate, under_way

NAME = "slow_module_of_the_prefork_tests"
TEXT = (
    "import threading\nstarted, go_on = threading.Event(), threading.Event()\nstarted.set()\ngo_on.wait(60)\n"
)


def import_it() -> None:
    importlib.import_module(NAME)


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A thread in the middle of an import, which ends when the event is set."""
    (tmp_path / f"{NAME}.py").write_text(TEXT)
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=import_it)
    thread.start()
    until(lambda: hasattr(sys.modules.get(NAME), "go_on"))
    go_on: threading.Event = sys.modules[NAME].go_on
    try:
        yield go_on
    finally:
        go_on.set()
        thread.join(10)
        sys.modules.pop(NAME, None)


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    """With children that need the module before they work."""
    made = Workshop(Job(import_it))
    made.prepare_child = import_it
    yield made
    made.close()


def test_a_child_is_forked_when_the_imports_of_other_threads_have_ended(
    importing: threading.Event, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    look = ImportGate.look

    def noted(gate: ImportGate) -> bool:
        looked.append(look(gate))
        return looked[-1]

    monkeypatch.setattr(ImportGate, "look", noted)
    running = Running(workshop)
    try:
        until(lambda: len(looked) > 1)
        assert not any(looked)
        assert not running.pool.pids()
        importing.set()
        workshop.send(0)
        until(workshop.done)
        assert workshop.reports == []
    finally:
        running.stop(StopMode.COLD)


def test_a_child_that_was_forked_in_the_middle_of_an_import_is_replaced(
    importing: threading.Event, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the import had begun right after the look.
    monkeypatch.setattr(ImportGate, "look", lambda gate: True)
    running = Running(workshop)
    try:
        until(lambda: workshop.reports)
        importing.set()
        workshop.send(0)
        until(workshop.done)
        assert {report.cause for report in workshop.reports} == {"exited with status 1"}
    finally:
        running.stop(StopMode.COLD)


def test_an_import_that_never_ends_does_not_hold_up_forks_for_ever(
    importing: threading.Event, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert under_way() == [NAME]
    gate = ImportGate()
    assert not gate.look()
    monkeypatch.setattr("tq_prefork.imports.PATIENCE", -1.0)
    assert gate.look()
    assert NAME in caplog.text
