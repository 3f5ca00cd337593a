"""What is counted, in one process."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from tq.errors import BrokerUnavailable, WorkerLost
from tq.records import Delivery, Envelope, Message, QueueStats
from tq_prometheus import PrometheusHooks
from tq_prometheus.dashboard import dashboard
from tq_prometheus.folder import VARIABLE, Folder
from tq_prometheus.hooks import SENT


class FakeWorker:
    """A worker as hooks see it."""

    hostname = "w@h"
    concurrency = 4
    queues = ("mails",)
    is_away = False

    def running(self) -> int:
        return 1

    def trouble(self) -> str | None:
        return "gone" if self.is_away else None

    def queue_stats(self) -> Sequence[QueueStats]:
        if self.is_away:
            raise BrokerUnavailable("gone")
        return [QueueStats("mails", 3, delayed=2, dead=1, oldest_age=7.5)]


class FakeRequest:
    """A run as hooks see it."""

    def __init__(self, **headers: Any) -> None:
        self.id, self.task, self.queue = "1", "shop.mail", "mails"
        self.args: Sequence[Any] = ()
        self.kwargs: dict[str, Any] = {}
        self.retries, self.attempt = 0, 1
        self.headers = headers


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def hooks(worker: FakeWorker, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrometheusHooks]:
    monkeypatch.delenv(VARIABLE, raising=False)
    made = PrometheusHooks()
    made.worker_starting(worker)
    yield made
    made.worker_stopped()


def shown(hooks: PrometheusHooks) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(hooks.page().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def value(hooks: PrometheusHooks, name: str, **labels: str) -> float | None:
    return shown(hooks).get((name, frozenset(labels.items())))


MAIL = {"task": "shop.mail", "queue": "mails"}


def test_runs_are_counted_by_state_with_their_times(hooks: PrometheusHooks) -> None:
    request = FakeRequest(**{SENT: time.time() - 100})
    hooks.task_prerun(request)
    assert value(hooks, "tq_tasks_running", **MAIL) == 1
    hooks.task_success(request, 0.3)
    hooks.task_postrun(request, "SUCCESS")
    hooks.task_retry(request)
    hooks.task_failure(request, ValueError())
    hooks.task_rejected(request, requeue=True)
    assert value(hooks, "tq_tasks_running", **MAIL) == 0
    for state in ("SUCCESS", "RETRY", "FAILURE", "REJECTED"):
        assert value(hooks, "tq_tasks_total", **MAIL, state=state) == 1
    assert value(hooks, "tq_task_run_seconds_sum", **MAIL) == 0.3
    waited = value(hooks, "tq_task_wait_seconds_sum", **MAIL)
    assert waited is not None
    assert waited >= 100


def test_a_task_waits_only_from_when_it_was_due(hooks: PrometheusHooks) -> None:
    due = datetime.fromtimestamp(time.time() + 50, UTC).isoformat()
    hooks.task_prerun(FakeRequest(**{SENT: time.time() - 100}, eta=due))
    assert value(hooks, "tq_task_wait_seconds_sum", **MAIL) == 0


@pytest.mark.parametrize("headers", [{}, {SENT: "yesterday"}, {SENT: None}])
def test_a_task_whose_sender_did_not_say_when_has_no_wait_time(
    hooks: PrometheusHooks, headers: dict[str, Any]
) -> None:
    hooks.task_prerun(FakeRequest(**headers))
    assert value(hooks, "tq_task_wait_seconds_count", **MAIL) is None


def test_dead_letters_are_counted_by_cause(hooks: PrometheusHooks) -> None:
    delivery = Delivery(Message({}, {}, b""), "mails", 1)
    hooks.task_unknown(delivery)
    hooks.message_rejected(delivery)
    hooks.task_rejected(FakeRequest(), requeue=False)
    hooks.task_failure(FakeRequest(), WorkerLost("killed"))
    for cause in ("unknown task", "unreadable", "rejected", "worker lost"):
        assert value(hooks, "tq_dead_letters_total", queue="mails", cause=cause) == 1


def test_queues_and_the_worker_are_asked_at_each_look(hooks: PrometheusHooks, worker: FakeWorker) -> None:
    assert value(hooks, "tq_queue_messages", queue="mails", state="ready") == 3
    assert value(hooks, "tq_queue_messages", queue="mails", state="in_flight") is None
    assert value(hooks, "tq_queue_oldest_age_seconds", queue="mails") == 7.5
    assert value(hooks, "tq_worker_up", worker="w@h") == 1
    worker.is_away = True
    assert value(hooks, "tq_queue_messages", queue="mails", state="ready") is None
    assert value(hooks, "tq_worker_up", worker="w@h") == 0


def test_what_clients_send_is_noted_and_counted_in_their_own_registry() -> None:
    hooks = PrometheusHooks()
    envelope = Envelope(Message({"task": "shop.mail"}, {}, b""), "mails")
    before = REGISTRY.get_sample_value("tq_messages_published_total", MAIL) or 0
    hooks.message_publishing(envelope)
    hooks.message_published(envelope)
    assert REGISTRY.get_sample_value("tq_messages_published_total", MAIL) == before + 1
    assert abs(envelope.message.headers[SENT] - time.time()) < 100


def test_counts_of_processes_that_are_gone_stay_and_their_files_do_not(hooks: PrometheusHooks) -> None:
    folder = hooks._folder
    assert folder is not None
    for _ in range(3):
        child = os.fork()
        if child == 0:
            hooks.task_prerun(FakeRequest())
            hooks.task_success(FakeRequest(), 1.0)
            os._exit(0)
        os.waitpid(child, 0)
        files = {file.name for file in folder.path.glob("*.db")}
        assert value(hooks, "tq_tasks_running", **MAIL) is None
    assert value(hooks, "tq_tasks_total", **MAIL, state="SUCCESS") == 3
    assert value(hooks, "tq_task_run_seconds_count", **MAIL) == 3
    assert value(hooks, "tq_task_run_seconds_bucket", **MAIL, le="1.0") == 3
    assert {file.name for file in folder.path.glob("*.db")} <= files


def test_the_folder_is_removed_at_the_end_and_so_are_those_of_killed_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    child = os.fork()
    if child == 0:
        Folder.open()
        os._exit(0)
    os.waitpid(child, 0)
    [left] = tmp_path.iterdir()
    folder = Folder.open()
    assert list(tmp_path.iterdir()) == [folder.path]
    assert left != folder.path
    folder.close()
    assert list(tmp_path.iterdir()) == []
    assert VARIABLE not in os.environ


def test_a_folder_that_the_environment_names_is_used_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    folder = Folder.open()
    folder.close()
    assert (tmp_path / "own").is_dir()


def test_every_metric_that_the_dashboard_names_exists(hooks: PrometheusHooks) -> None:
    test_runs_are_counted_by_state_with_their_times(hooks)
    test_dead_letters_are_counted_by_cause(hooks)
    envelope = Envelope(Message({"task": "shop.mail"}, {}, b""), "mails")
    hooks.message_published(envelope)
    page = hooks.page().decode()
    declared = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE)) | {name for name, _ in shown(hooks)}
    panels = json.loads(dashboard())["panels"]
    named = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"\btq_\w+", target["expr"])
    }
    assert len(named) > 10
    assert named - declared == set()


def test_it_counts_where_somebody_can_look() -> None:
    hooks = PrometheusHooks()
    for enabled, address, expected in (
        (None, None, False),
        (None, "8080", True),
        (True, None, True),
        (False, "8080", False),
    ):
        settings = {"prometheus_enabled": enabled, "worker_health_address": address}
        assert hooks.wanted(settings) is expected


def test_a_process_that_is_forked_during_a_look_keeps_no_lock(hooks: PrometheusHooks) -> None:
    folder = hooks._folder
    assert folder is not None
    reader, writer = os.pipe()
    with folder.locked():
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    another = os.fork()
    if another == 0:
        with folder.locked():
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(another, 0)[1]) == 7
    os.close(writer)
    os.waitpid(child, 0)
