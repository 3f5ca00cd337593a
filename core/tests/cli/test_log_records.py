"""What log lines know of the task that emitted them, and lines of JSON."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq import signals
from tq.cli.logs import set_up_logging
from tq.cli.records import JsonFormatter, TaskRecords
from tq.config import Settings
from tq.log import get_task_logger
from tq.plugins.signal import Signal
from tq.request import Request, current_request
from tq.wire.call import TaskCall


@pytest.fixture
def inside() -> Iterator[None]:
    token = current_request.set(Request(TaskCall(id="i1", task="shop.charge")))
    yield
    current_request.reset(token)


def made(message: str = "hello", **more: Any) -> logging.LogRecord:
    record = TaskRecords(logging.LogRecord)("shop", logging.INFO, __file__, 1, message, (), None)
    vars(record).update(more)
    return record


@pytest.mark.usefixtures("inside")
def test_a_record_knows_the_task_that_emitted_it() -> None:
    record = made()
    assert (record.task_id, record.task_name) == ("i1", "shop.charge")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("inside")
def test_a_record_of_another_thread_is_of_no_task() -> None:
    records: list[logging.LogRecord] = []
    thread = threading.Thread(target=lambda: records.append(made()))
    thread.start()
    thread.join()
    assert not hasattr(records[0], "task_id")


@pytest.mark.usefixtures("inside")
def test_setting_logging_up_twice_makes_no_chain() -> None:
    once = TaskRecords(logging.LogRecord)
    assert TaskRecords(once)._before is logging.LogRecord


@pytest.mark.usefixtures("inside")
def test_a_line_of_json_has_the_task_and_what_was_given_as_extra() -> None:
    line = json.loads(JsonFormatter().format(made(order=42, amount=1.5)))
    assert line["level"] == "INFO"
    assert line["message"] == "hello"
    assert (line["task_id"], line["task_name"], line["order"]) == ("i1", "shop.charge", 42)
    assert line["time"].endswith("+00:00")


def test_an_exception_stays_on_its_line() -> None:
    try:
        raise ValueError("no\nway")
    except ValueError as exc:
        record = made(exc_info=(type(exc), exc, exc.__traceback__))
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: no\nway" in json.loads(line)["exception"]


@given(st.text(), st.one_of(st.text(), st.integers(), st.binary(), st.sets(st.integers())))
def test_whatever_is_logged_becomes_one_line_that_can_be_read(message: str, value: Any) -> None:
    line = JsonFormatter().format(made(message.replace("%", "%%"), thing=value))
    assert "\n" not in line
    assert "thing" in json.loads(line)


def test_surrogates_and_huge_numbers_become_text() -> None:
    line = json.loads(JsonFormatter().format(made("\ud800", big=2**80, odd={(1, 2): "x"})))
    assert line["message"] == "\\ud800"
    assert line["big"] == 2**80 or line["big"] == str(2**80)
    assert "(1, 2)" in line["odd"]


def test_task_loggers_share_the_level_of_theirs() -> None:
    logger = get_task_logger("shop.tasks.of_this_test")
    assert logger.name == "shop.tasks.of_this_test"
    assert logger.parent is logging.getLogger("tq.task")
    assert get_task_logger("tq.task").parent is not logging.getLogger("tq.task")


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogRecordFactory()
    yield
    root.handlers[:], level, factory = before
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


def listen(signal: Signal, heard: list[Any]) -> Callable[..., None]:
    def receiver(**arguments: Any) -> None:
        heard.append(arguments)

    signal.connect(receiver)
    return receiver


@pytest.mark.usefixtures("logging_as_before")
def test_receivers_hear_of_the_loggers_that_were_set_up() -> None:
    heard: list[Any] = []
    receivers = [
        (each, listen(each, heard)) for each in (signals.after_setup_logger, signals.after_setup_task_logger)
    ]
    set_up_logging(Settings(files=False, environ={}), "info", None, False)
    for each, receiver in receivers:
        each.disconnect(receiver)
    assert [arguments["logger"].name for arguments in heard] == ["root", "tq.task"]
    assert {arguments["loglevel"] for arguments in heard} == {"info"}


@pytest.mark.usefixtures("logging_as_before")
def test_a_program_that_sets_up_logging_itself_is_left_to_it() -> None:
    heard: list[Any] = []
    receiver = listen(signals.setup_logging, heard)
    before = logging.getLogger().handlers[:]
    set_up_logging(Settings(files=False, environ={}), "info", "never.log", None)
    signals.setup_logging.disconnect(receiver)
    assert logging.getLogger().handlers == before
    assert heard[0]["logfile"] == "never.log"
