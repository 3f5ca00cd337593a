"""What a worker shows of itself to those who watch it, on real servers and in real processes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.watched import SPANS, app, broken, inner, outer
from tests.processes import Ledger, Workers
from tests.services.redis import RedisServer
from tq.testing.waiting import eventually


def ask(port: int, path: str) -> int:
    """The status of a page of the health endpoint."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def test_a_worker_is_ready_only_while_its_broker_is_there(
    redis_server: Callable[..., RedisServer], ledger: Ledger, free_port: int
) -> None:
    server = redis_server()
    workers = Workers("tests.e2e.tasks", server.url, server.url, ledger)
    try:
        workers.start("--health", str(free_port), pool="prefork")
        eventually(lambda: ask(free_port, "/readyz") == 200, "the worker is ready")
        server.stop()
        eventually(lambda: ask(free_port, "/readyz") == 503, "the worker is not ready without its broker")
        assert ask(free_port, "/livez") == 200
        server.start()
        eventually(lambda: ask(free_port, "/readyz") == 200, "the worker is ready again")
    finally:
        workers.close()


@pytest.fixture
def watched(
    redis_url: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workers]:
    """Starts workers of `tests.e2e.watched`."""
    monkeypatch.setenv(SPANS, str(tmp_path / "spans.jsonl"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    app.close()
    app.conf.update(broker_url=redis_url, result_backend=redis_url)
    workers = Workers("tests.e2e.watched", redis_url, redis_url, ledger)
    yield workers
    workers.close()
    app.close()


def test_metrics_of_prefork_children_are_one_and_outlive_them(
    watched: Workers, free_port: int, tmp_path: Path
) -> None:
    worker = watched.start(
        "-c", "2", "--max-tasks-per-child", "2", "--health", str(free_port), pool="prefork"
    )
    sent = [inner.delay(number) for number in range(9)]
    bad = broken.delay()
    assert [result.get(timeout=60) for result in sent] == list(range(1, 10))
    with pytest.raises(ValueError, match="no"):
        bad.get(timeout=60)

    def count(name: str, **labels: str) -> float | None:
        url = f"http://127.0.0.1:{free_port}/metrics"
        with urllib.request.urlopen(url, timeout=120) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        found = [s.value for f in families for s in f.samples if s.name == name and s.labels == labels]
        return found[0] if found else None

    mine = {"task": "tests.e2e.watched.inner", "queue": "celery"}
    eventually(lambda: count("tq_tasks_total", **mine, state="SUCCESS") == 9, "all runs are counted")
    assert count("tq_task_run_seconds_count", **mine) == 9
    assert count("tq_task_wait_seconds_count", **mine) == 9
    assert count("tq_queue_messages", queue="celery", state="ready") == 0
    assert any(path.name.startswith("tq-metrics-") for path in tmp_path.iterdir())
    worker.stop()
    assert not any(path.name.startswith("tq-metrics-") for path in tmp_path.iterdir())


def test_what_a_task_sends_is_in_its_trace_whichever_child_runs_it(watched: Workers, tmp_path: Path) -> None:
    watched.start("-c", "2", pool="prefork")
    sent = outer.delay(1).get(timeout=60)
    assert app.AsyncResult(sent).get(timeout=60) == 2
    file = tmp_path / "spans.jsonl"

    def spans() -> dict[str, Any]:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return {f"{line['name'].split()[0]} {line['attributes']['tq.task.name']}": line for line in lines}

    eventually(lambda: len(spans()) >= 3, "the spans are written")
    run_outer, send, run_inner = (
        spans()[f"{word} tests.e2e.watched.{name}"]
        for word, name in (("process", "outer"), ("send", "inner"), ("process", "inner"))
    )
    assert send["parent_id"] == run_outer["context"]["span_id"]
    assert run_inner["parent_id"] == send["context"]["span_id"]
    assert len({each["context"]["trace_id"] for each in (run_outer, send, run_inner)}) == 1
