"""`tq status`, `tq report`, `tq plugins`, `tq purge` and the help."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tq.cli.commands import COMMANDS

from .conftest import Tq

SHOP = ("-A", "shop")


def test_status_shows_servers_and_queues(tq: Tq) -> None:
    tq(*SHOP, "call", "shop.add", "-a", "[1, 2]")
    ended = tq(*SHOP, "status", "-Q", "celery,other")
    assert ended.status == 0
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["broker", "sqlite:///.tq/tq.db", "ok"]
    assert lines[1] == ["results", "sqlite:///.tq/tq.db", "ok"]
    assert lines[2] == ["workers", "none", "answered"]
    assert [(line[0], line[1]) for line in lines[5:]] == [("celery", "1"), ("other", "0")]


def test_status_of_servers_that_are_not_there_says_so_without_passwords(tq: Tq) -> None:
    url = "sqlite:////nonexistent/folder/tq.db"
    ended = tq("-b", url, "--result-backend", url, "status")
    assert ended.status == 1
    assert ended.out.count("ERROR") == 2
    found = json.loads(tq("-b", url, "status", "--json").out)
    assert (found["broker"]["ok"], found["backend"]) == (
        False,
        {"url": None, "ok": True, "note": "none is configured: results are not kept"},
    )


def test_report_names_software_and_origins_and_masks_secrets(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQ_RESULT_EXPIRES", "60")
    arguments = ("-b", "redis://me:hunter2@localhost/0", "report")
    text = tq(*arguments).out
    assert "hunter2" not in text
    assert sys.version.split()[0] in text
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "redis://me:**@localhost/0" in rows["broker_url"]
    assert rows["broker_url"].endswith("command line")
    assert "TQ_RESULT_EXPIRES" in rows["result_expires"]
    assert "task_routes" not in rows
    document = json.loads(tq(*arguments, "--json", "--all").out)
    names = {row["name"] for row in document["settings"]}
    assert names > set(rows) & {"broker_url", "worker_pool"}
    assert "task_routes" in names
    assert any(plugin.startswith("tq-core") for plugin in document["plugins"])


def test_plugins_are_listed_with_what_they_can(tq: Tq) -> None:
    ended = tq("plugins")
    assert ended.status == 0, ended.err
    assert re.search(r"^broker +memory +tq-core +\S+ +delay, ", ended.out, re.MULTILINE)
    rows = json.loads(tq("plugins", "--json").out)
    assert {"kind": "pool", "name": "solo"}.items() <= next(r for r in rows if r["name"] == "solo").items()


def test_purge_asks_first(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    tq(*SHOP, "call", "shop.add", "-a", "[1, 2]")
    tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--countdown", "60")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = tq(*SHOP, "purge")
    assert (refused.status, "celery: 2" in refused.err) == (1, True)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert tq(*SHOP, "purge").status == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "celery: removed 2" in tq(*SHOP, "purge").out


def test_purge_takes_the_queues_it_is_told(tq: Tq) -> None:
    for queue in ("one", "two", "celery"):
        tq("call", "x", "--queue", queue)
    assert tq("purge", "-f", "-Q", "one,two", "-X", "two").out == "one: removed 1\n"
    assert json.loads(tq("purge", "-f", "--json").out) == {"celery": 1}
    ended = tq("purge", "-f", "-X", "celery")
    assert (ended.status, "no queue is left" in ended.err) == (1, True)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_explains_itself_with_an_example(tq: Tq, name: str) -> None:
    ended = tq(name, "--help")
    assert ended.status == 0
    assert re.search(rf"^  +tq (-A \S+ )?{name}\b", ended.out, re.MULTILINE), "no example"


def test_a_misspelt_command_is_answered_with_a_suggestion(tq: Tq) -> None:
    ended = tq("wroker")
    assert (ended.status, "Did you mean 'worker'?" in ended.err) == (2, True)


def test_errors_come_without_a_traceback(tq: Tq) -> None:
    ended = tq("-A", "nowhere", "status")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("Error: -A nowhere:")


def test_settings_of_a_module_can_be_given(project: Path, tq: Tq) -> None:
    (project / "own_config.py").write_text("task_default_queue = 'mine'\n")
    ended = tq("--config", "own_config", "status")
    assert "mine" in ended.out
