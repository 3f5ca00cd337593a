"""`tq call` sends, `tq result` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Ended, Start, Tq

SHOP = ("-A", "shop")


def queue_size(tq: Tq, queue: str) -> int:
    found = json.loads(tq(*SHOP, "status", "--json", "-Q", queue).out)
    size: int = found["queues"][0]["ready"] + found["queues"][0]["delayed"]
    return size


def test_call_writes_the_id_and_nothing_else(tq: Tq) -> None:
    ended = tq(*SHOP, "call", "shop.add", "-a", "[1, 2]")
    assert ended.status == 0
    assert len(ended.out.strip()) == 36
    assert ended.err == ""
    assert queue_size(tq, "celery") == 1


def test_an_unknown_task_can_be_called_without_an_app(tq: Tq) -> None:
    ended = tq("call", "somewhere.else", "-k", '{"x": 1}', "--queue", "far", "--task-id", "mine", "--json")
    assert json.loads(ended.out) == {"task_id": "mine"}
    assert queue_size(tq, "far") == 1


def test_the_options_of_a_known_task_count_and_those_of_the_line_win(tq: Tq) -> None:
    tq(*SHOP, "call", "shop.mail", "-a", '["me"]')
    assert queue_size(tq, "mails") == 1
    tq(*SHOP, "call", "shop.mail", "-a", '["me"]', "--queue", "urgent", "--priority", "9")
    assert (queue_size(tq, "mails"), queue_size(tq, "urgent")) == (1, 1)


def test_a_call_can_be_delayed(tq: Tq) -> None:
    assert tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--countdown", "60", "--expires", "90").status == 0
    assert tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--eta", "2090-01-01T00:00:00Z").status == 0
    found = json.loads(tq(*SHOP, "status", "--json").out)["queues"][0]
    assert (found["ready"], found["delayed"]) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("shop.add", "-a", "[1]"), 2, "missing 1 required positional argument: 'y'"),
        (("shop.add", "-a", "1, 2"), 2, "is not JSON"),
        (("shop.add", "-a", '{"x": 1}'), 2, "not of the right form; write it like -a '[2, 3]'"),
        (("shop.add", "-k", "[]"), 2, "write it like -k"),
        (("x", "--eta", "tomorrow"), 1, "tomorrow"),
        (("x", "--countdown", "-1"), 2, "--countdown"),
        (("x", "--priority", "10"), 2, "--priority"),
        (("x", "--serializer", "nope"), 1, "no serializer plugin for 'nope'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    tq: Tq, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    ended = tq(*SHOP, "call", *arguments)
    assert (ended.status, ended.out) == (status, "")
    assert sentence in ended.err
    assert queue_size(tq, "celery") == 0


def test_to_wait_without_a_result_backend_is_refused_before_anything_is_sent(tq: Tq) -> None:
    broker = ("-b", "sqlite:///own.db")
    ended = tq(*broker, "call", "x", "--wait", "1")
    assert ended.status == 1
    assert "no result backend is configured" in ended.err
    assert json.loads(tq(*broker, "status", "--json").out)["queues"][0]["ready"] == 0


def test_an_unknown_id_is_pending_and_that_is_explained(tq: Tq) -> None:
    ended = tq(*SHOP, "result", "nobody-knows")
    assert ended.status == 3
    assert "PENDING is also the state of an id that nobody knows" in ended.out
    assert json.loads(tq(*SHOP, "result", "nobody-knows", "--json").out) == {
        "task_id": "nobody-knows",
        "status": "PENDING",
        "result": None,
    }


def test_a_result_of_a_task_that_the_app_does_not_know_can_be_refused(tq: Tq) -> None:
    ended = tq(*SHOP, "result", "some-id", "-t", "shop.nothing")
    assert (ended.status, "no such task" in ended.err) == (1, True)
    assert tq(*SHOP, "result", "some-id", "-t", "shop.add").status == 3


def test_results_and_failures_come_back(project: Path, tq: Tq, start: Start) -> None:
    waited = tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--wait", "0.05")
    assert (waited.status, "was not ready within 0.05 s" in waited.err) == (3, True)
    start(*SHOP, "worker", "-P", "solo", "-Q", "celery,mails")
    good = tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--wait", "20")
    assert good.status == 0, good
    task_id, *lines = good.out.splitlines()
    assert [line.split() for line in lines[:2]] == [["state", "SUCCESS"], ["result", "3"]]
    assert fields(tq(*SHOP, "result", task_id, "--json"))["result"] == 3
    bad = tq(*SHOP, "call", "shop.fail", "--wait", "20", "--json")
    assert bad.status == 4
    assert fields(bad)["result"]["exc_type"] == "ValueError"
    shown = tq(*SHOP, "result", fields(bad)["task_id"])
    assert (shown.status, "ValueError: out of stock" in shown.out, "Traceback" in shown.out) == (
        4,
        True,
        False,
    )
    assert "Traceback" in tq(*SHOP, "result", fields(bad)["task_id"], "--traceback").out


def fields(ended: Ended) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ended.out)
    return document
