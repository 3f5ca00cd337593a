"""`tq doctor`: each fault gives its finding, and nothing gives a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services.redis import RedisServer
from tq.brokers.memory import MemoryBroker
from tq.cli.checks import Checkup
from tq.contracts.broker import Cap
from tq.contracts.findings import of_clock
from tq.records import Finding, QueueStats, Severity

from .conftest import Start, Tq

SHOP = ("-A", "shop")


def findings(tq: Tq, *words: str) -> list[dict[str, Any]]:
    ended = tq(*words, "doctor", "--json", "-t", "0")
    found: list[dict[str, Any]] = json.loads(ended.out)["findings"]
    assert ended.status == (1 if any(each["severity"] != "note" for each in found) else 0)
    assert all(each["what"] and each["advice"] for each in found)
    assert "Traceback" not in ended.err
    return found


def test_a_sound_set_up_has_no_findings_and_status_0(tq: Tq) -> None:
    ended = tq(*SHOP, "doctor", "-t", "0")
    assert ended.status == 0, ended.out
    assert "nothing is wrong" in ended.out
    assert ended.out.count(" answers in ") == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-b", "sqlite:////nonexistent/folder/tq.db"), "/nonexistent/folder/tq.db"),
        (("-b", "redis://me:hunter2@127.0.0.1:1/0"), "no connection"),
        (("-b", "nosuch://me:hunter2@host"), "nosuch"),
        (("-b", "redis://me:hunter2@127.0.0.1:port/0"), ""),
        (("-b", "memory://", "--result-backend", "nosuch://me:hunter2@host"), "nosuch"),
        (("-A", "nowhere"), "-A nowhere"),
    ],
)
def test_what_is_broken_is_a_finding_without_passwords(tq: Tq, words: tuple[str, ...], expected: str) -> None:
    found = findings(tq, *words)
    errors = [each["what"] for each in found if each["severity"] == "error"]
    assert errors and any(expected in what for what in errors)
    assert "hunter2" not in json.dumps(found)


def test_an_app_that_raises_on_import_is_a_finding(project: Path, tq: Tq) -> None:
    (project / "broken.py").write_text("1 / 0\n")
    assert [each["severity"] for each in findings(tq, "-A", "broken")] == ["error"]


def test_a_queue_that_waits_without_worker_is_an_error(tq: Tq) -> None:
    tq(*SHOP, "call", "shop.mail", "-a", '["me"]')
    ended = tq(*SHOP, "doctor", "-Q", "mails", "-t", "0.1")
    assert ended.status == 1
    assert "ERROR: 1 messages wait in queue 'mails', and no worker reads it" in ended.out
    assert "tq worker -Q mails" in ended.out
    assert "NOTE: no worker answered" in ended.out


def test_dead_letters_are_a_warning(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBroker, "stats", lambda self, queue: QueueStats(queue, 0, dead=3, consumers=0))
    (found,) = findings(tq, "-b", "memory://doctor", "--result-backend", "memory://doctor")
    assert found["severity"] == "warning"
    assert found["what"] == "3 dead letters lie beside queue 'celery'"


def test_that_a_broker_counts_nothing_is_a_note(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBroker, "capabilities", Cap.DELAY)
    (found,) = findings(tq, "-b", "memory://doctor", "--result-backend", "memory://doctor")
    assert found["severity"] == "note"
    assert found["what"] == "MemoryBroker cannot say what lies in its queues"


def test_what_the_store_says_of_itself_is_passed_on(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Finding(Severity.WARNING, "it rains", "take an umbrella")
    monkeypatch.setattr(MemoryBroker, "findings", lambda self: [said])
    found = findings(tq, "-b", "memory://doctor", "--result-backend", "memory://doctor")
    assert found == [{"severity": "warning", "what": "it rains", "advice": "take an umbrella"}]


def test_a_plugin_that_raises_is_a_finding(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: MemoryBroker) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr(MemoryBroker, "findings", broken)
    (found,) = findings(tq, "-b", "memory://doctor", "--result-backend", "memory://doctor")
    assert found["what"] == "the set-up of the broker cannot be used: it raised KeyError"


def test_workers_of_several_versions_are_a_warning() -> None:
    checkup = Checkup(lambda: pytest.fail("no app is needed"), (), 0)
    checkup._crew({"a": "tq 1.0", "b": "tq 1.1", "c": "celery 5.7.0"})
    (found,) = checkup._findings
    assert found.severity is Severity.WARNING
    assert "a: tq 1.0; b: tq 1.1; c: celery 5.7.0" in found.what


def test_clocks_that_differ_are_a_finding_and_those_that_agree_are_none() -> None:
    assert of_clock("the server", 101.0, 100.0, 130.0) == []
    assert "60 s behind" in of_clock("the server", 40.0, 100.0, 130.0)[0].what
    assert "5 s ahead" in of_clock("the server", 135.0, 100.0, 130.0)[0].what


def test_a_worker_is_named_with_its_version(tq: Tq, start: Start) -> None:
    start(*SHOP, "worker", "-l", "INFO", "-P", "threads", "-n", "w1@here").wait_for("is ready")
    for _ in range(10):
        ended = tq(*SHOP, "doctor", "-t", "2", "--json")
        workers = json.loads(ended.out)["workers"]
        if workers:
            break
    assert list(workers) == ["w1@here"] and workers["w1@here"].startswith("tq ")
    assert ended.status == 0, ended.out


def test_redis_that_evicts_and_keeps_nothing_is_told(
    tq: Tq, redis_server: Callable[..., RedisServer]
) -> None:
    server = redis_server("maxmemory 100mb", "maxmemory-policy allkeys-lru")
    found = findings(tq, "-b", server.url, "--result-backend", server.url)
    assert [each["severity"] for each in found] == ["error", "warning"]
    assert "allkeys-lru" in found[0]["what"] and "noeviction" in found[0]["advice"]
    assert "keeps nothing on disk" in found[1]["what"]
    safe = redis_server(appendonly=True)
    assert findings(tq, "-b", safe.url, "--result-backend", safe.url) == []


def test_redis_without_permission_for_its_figures_is_a_finding(
    tq: Tq, redis_server: Callable[..., RedisServer]
) -> None:
    server = redis_server(appendonly=True)
    server.ask("ACL", "SETUSER", "me", "on", ">hunter2", "~*", "&*", "+@all", "-info")
    url = server.url.replace("redis://", "redis://me:hunter2@")
    (found,) = findings(tq, "-b", url, "--result-backend", url)
    assert found["severity"] == "warning" and "forbids this to the user" in found["what"]
    (refused, *_) = findings(tq, "-b", url.replace("hunter2", "wrong"))
    assert "does not accept this user and password" in refused["what"]
