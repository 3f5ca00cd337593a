"""A Celery client sends to a tq worker, and reads the results through Celery's `AsyncResult`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.celery_client import CeleryClient
from tests.interop.values import SAME, same
from tests.processes import Ledger, Program, Workers, eventually


@pytest.fixture(scope="module", params=["solo", "prefork"], autouse=True)
def worker(request: pytest.FixtureRequest, workers: Workers) -> Iterator[Program]:
    more = ("-c", "2") if request.param == "prefork" else ()
    program = workers.start(*more, pool=request.param)
    yield program
    program.stop()


def failed(outcome: dict[str, Any], name: str, module: str) -> bool:
    return (outcome["state"], outcome["class"], outcome["module"]) == ("FAILURE", name, module)


def test_a_call_with_positional_and_keyword_arguments_returns_its_value(celery: CeleryClient) -> None:
    positional = celery.send("shop.add", [2, 3])
    mixed = celery.send("shop.add", [2], {"y": 40})
    assert celery.outcome(positional) == {"state": "SUCCESS", "traceback": None, "value": 5}
    assert celery.outcome(mixed)["value"] == 42


def test_delay_of_a_registered_task_returns_its_value(celery: CeleryClient) -> None:
    assert celery.outcome(celery.delay("shop.add", 20, 22))["value"] == 42


def test_typed_values_arrive_and_come_back_as_they_were(celery: CeleryClient) -> None:
    ids = [celery.send("shop.echo", [value]) for value in SAME]
    received = [celery.outcome(task_id)["value"] for task_id in ids]
    assert [pair for pair in zip(SAME, received, strict=True) if not same(*pair)] == []


def test_a_countdown_is_waited_for(celery: CeleryClient) -> None:
    sent = time.time()
    outcome = celery.outcome(celery.send("shop.started_at", countdown=1.5))
    assert outcome["value"] >= sent + 1.5


@pytest.mark.parametrize("zone", [dt.UTC, dt.timezone(dt.timedelta(hours=-7))])
def test_an_eta_is_waited_for_in_any_zone(celery: CeleryClient, zone: dt.tzinfo) -> None:
    eta = dt.datetime.now(zone) + dt.timedelta(seconds=1)
    outcome = celery.outcome(celery.send("shop.started_at", eta=eta))
    assert outcome["value"] >= eta.timestamp()


def test_a_task_past_its_expiry_is_revoked_and_never_runs(celery: CeleryClient, ledger: Ledger) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    expired = celery.send("shop.note", ["expired task"], expires=past)
    outcome = celery.outcome(expired)
    assert (outcome["state"], outcome["class"], outcome["args"]) == (
        "REVOKED",
        "TaskRevokedError",
        ("expired",),
    )
    assert outcome["module"] == "celery.exceptions"
    assert not ledger.has("expired task")


def test_a_task_that_has_not_expired_yet_runs(celery: CeleryClient) -> None:
    assert celery.outcome(celery.send("shop.add", [1, 1], expires=60))["value"] == 2


def test_callbacks_get_the_result(celery: CeleryClient, ledger: Ledger) -> None:
    task_id = celery.send("shop.add", [2, 3], link=("shop.note", ["linked"]))
    assert celery.outcome(task_id)["value"] == 5
    eventually(lambda: ledger.has("5 linked"), "the callback's line")


def test_error_callbacks_get_the_id_of_the_task_that_failed(celery: CeleryClient, ledger: Ledger) -> None:
    task_id = celery.send("shop.fail", ["ValueError", "x"], link_error=("shop.note_error", []))
    assert celery.outcome(task_id)["state"] == "FAILURE"
    eventually(lambda: ledger.has(f"error {task_id}"), "the error callback's line")


@pytest.mark.parametrize("more", [[], [("shop.add", [100])]])
def test_a_chain_hands_each_result_on(celery: CeleryClient, more: list[Any]) -> None:
    ids = celery.chain(("shop.add", [1, 2]), ("shop.add", [10]), *more)
    values = [celery.outcome(task_id)["value"] for task_id in ids]
    assert values == [3, 13, 113][: len(ids)]


def test_a_chain_ends_where_a_task_fails(celery: CeleryClient, ledger: Ledger) -> None:
    first, last = celery.chain(("shop.fail", ["ValueError", "x"]), ("shop.note", ["after failure"]))
    assert celery.outcome(first)["state"] == "FAILURE"
    # Celery's own workers give the rest of a chain the same end.
    assert celery.look(last) == ("FAILURE", "ValueError('x')")
    assert ledger.starting("after failure") == []


def test_a_task_retries_itself_and_then_succeeds(celery: CeleryClient) -> None:
    assert celery.outcome(celery.send("shop.flaky", [2, 0.05]))["value"] == 2


def test_a_task_that_waits_for_its_retry_says_so(celery: CeleryClient) -> None:
    task_id = celery.send("shop.flaky", [1, 1.5])
    eventually(lambda: celery.look(task_id)[0] == "RETRY", "state RETRY")
    assert celery.look(task_id)[1] == "Broken('not yet')"
    assert celery.outcome(task_id)["value"] == 1


@pytest.mark.parametrize(
    ("kind", "args"),
    [("ValueError", ("wrong", 7)), ("KeyError", ("k",)), ("ZeroDivisionError", ()), ("OSError", (2, "gone"))],
)
def test_errors_of_python_arrive_as_themselves(celery: CeleryClient, kind: str, args: Any) -> None:
    outcome = celery.outcome(celery.send("shop.fail", [kind, *args]))
    assert failed(outcome, "FileNotFoundError" if args == (2, "gone") else kind, "builtins")
    assert outcome["args"] == args
    assert "in fail" in outcome["traceback"]


def test_an_error_class_of_the_project_arrives_as_itself(celery: CeleryClient) -> None:
    outcome = celery.outcome(celery.send("shop.fail", ["Broken", "own words"]))
    assert failed(outcome, "Broken", "tests.interop.bodies")
    assert outcome["args"] == ("own words",)


def test_an_error_that_cannot_be_rebuilt_still_tells_its_name_and_text(celery: CeleryClient) -> None:
    outcome = celery.outcome(celery.send("shop.fail_strangely"))
    assert outcome["state"] == "FAILURE"
    assert "Unknown" in outcome["class"] + outcome["text"]
    assert "code 5" in outcome["text"]


def test_wrong_arguments_are_a_type_error(celery: CeleryClient) -> None:
    outcome = celery.outcome(celery.send("shop.add", [1, 2, 3]))
    assert failed(outcome, "TypeError", "builtins")


def test_an_unknown_task_is_not_registered(celery: CeleryClient) -> None:
    outcome = celery.outcome(celery.send("shop.nowhere", [1]))
    assert failed(outcome, "NotRegistered", "celery.exceptions")
    assert "shop.nowhere" in outcome["text"]


def test_an_ignored_result_is_not_stored(celery: CeleryClient, ledger: Ledger) -> None:
    task_id = celery.send("shop.note", ["ignored", "result"], ignore_result=True)
    eventually(lambda: ledger.has("ignored result"), "the task's line")
    # What came after it through the same worker is stored, so it would be as well.
    celery.outcome(celery.send("shop.add", [1, 1]))
    assert celery.look(task_id) == ("PENDING", None)


@pytest.mark.parametrize("compression", ["gzip", "zlib", "bzip2", "lzma", "zstd", "brotli"])
def test_compressed_messages_are_read(celery: CeleryClient, compression: str) -> None:
    text = "long text " * 1000
    assert celery.outcome(celery.send("shop.echo", [text], compression=compression))["value"] == text


def test_messages_of_protocol_1_are_read(celery: CeleryClient, ledger: Ledger) -> None:
    sent = time.time()
    task_id = celery.send_old("shop.add", [4], {"y": 5}, link=("shop.note", ["old"]))
    later = celery.send_old("shop.started_at", countdown=1)
    assert celery.outcome(task_id)["value"] == 9
    assert celery.outcome(later)["value"] >= sent + 1
    eventually(lambda: ledger.has("9 old"), "the callback's line")
    assert celery.outcome(celery.send_old("shop.flaky", [1, 0.05]))["value"] == 1


def test_a_group_gathers_the_results_of_its_tasks(celery: CeleryClient) -> None:
    group_id, values = celery.group(*(("shop.add", [number, 1]) for number in range(10)))
    assert values == list(range(1, 11))
    own, seen = celery.group(("shop.seen", []), ("shop.add", [1, 1]))
    assert (seen[0]["group"], seen[1]) == (own, 2)
    assert own != group_id


def test_a_task_sees_what_its_message_says(celery: CeleryClient) -> None:
    task_id = celery.send("shop.seen", headers={"tenant": "blue"}, time_limit=50, soft_time_limit=40)
    assert celery.outcome(task_id)["value"] == {
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "retries": 0,
        "correlation_id": task_id,
        "headers": {"tenant": "blue"},
        "delivery_info": "celery",
        "timelimit": [50, 40],
        "group": None,
    }


def test_a_state_of_the_tasks_own_is_read_while_it_runs(celery: CeleryClient, tmp_path: Path) -> None:
    barrier = tmp_path / "running"
    barrier.touch()
    task_id = celery.send("shop.progress", [str(barrier)])
    eventually(lambda: celery.look(task_id) == ("PROGRESS", {"done": 3, "of": 7}), "state PROGRESS")
    barrier.unlink()
    assert celery.outcome(task_id)["value"] == "released"


def test_a_forgotten_result_is_gone(celery: CeleryClient) -> None:
    task_id = celery.send("shop.add", [1, 2])
    celery.outcome(task_id)
    celery.forget(task_id)
    assert celery.look(task_id) == ("PENDING", None)
