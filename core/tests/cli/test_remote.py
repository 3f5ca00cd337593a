"""`tq inspect`, `tq control` and `tq status` with a worker on the embedded database."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tq.app.remote import commands_of
from tq.cli.find import find_app
from tq.cli.remote import arguments_of
from tq.contracts.control import CommandInfo
from tq.contracts.hooks import hookimpl
from tq.plugins.hooks import HookManager
from tq.worker.control import PANEL
from tq.worker.control.memory import objgraph

from .conftest import Start, Tq

SHOP = ("-A", "shop")
OWN = """
from tq.worker.control import control_command, inspect_command

@inspect_command()
def greeting(state):
    "Greet."
    return {"hello": state.hostname}

@control_command(args=[("level", int)], signature="<level>")
def volume(state, level=1):
    "Set the volume."
    return {"ok": f"volume {level}"}
"""
INSPECT = frozenset(
    [
        "active",
        "active_queues",
        "clock",
        "conf",
        "dump_active",
        "dump_conf",
        "dump_reserved",
        "dump_revoked",
        "dump_schedule",
        "dump_tasks",
        "hello",
        "memdump",
        "memsample",
        "objgraph",
        "ping",
        "query_task",
        "registered",
        "report",
        "reserved",
        "revoked",
        "scheduled",
        "stats",
    ]
)
KNOWN_FROM_CELERY = INSPECT | frozenset(
    [
        "add_consumer",
        "autoscale",
        "cancel_consumer",
        "disable_events",
        "election",
        "enable_events",
        "heartbeat",
        "pool_grow",
        "pool_restart",
        "pool_shrink",
        "rate_limit",
        "revoke",
        "revoke_by_stamped_headers",
        "shutdown",
        "terminate",
        "time_limit",
    ]
)
"""Source: Celery 5.7, `celery.worker.control`."""
COMMANDS = commands_of(HookManager()).all()


def test_a_worker_is_asked_and_steered_from_the_command_line(
    project: Path, tq: Tq, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PANEL, "_commands", {})
    (project / "shop.py").write_text((project / "shop.py").read_text() + OWN)
    worker = start(*SHOP, "worker", "-l", "INFO", "-P", "threads", "-c", "2", "-n", "w1@here")
    worker.wait_for("is ready")
    here = ("-d", "w1@here", "-t", "30")
    ping = tq(*SHOP, "inspect", *here, "ping")
    assert (ping.status, ping.out.split()) == (0, ["->", "w1@here:", "OK", "pong", "1", "node", "online."])
    assert json.loads(tq(*SHOP, "inspect", "registered", *here, "--json").out) == {
        "w1@here": ["shop.add", "shop.fail", "shop.mail"]
    }
    limited = tq(*SHOP, "control", *here, "-j", "rate_limit", "shop.add", "10/m")
    assert json.loads(limited.out) == [{"w1@here": {"ok": "new rate limit set successfully"}}]
    wrong = tq(*SHOP, "control", *here, "pool_grow", "2")
    assert "->  w1@here: ERROR" in wrong.out and "keeps its size" in wrong.out
    assert json.loads(tq(*SHOP, "inspect", "greeting", *here, "-j").out) == {"w1@here": {"hello": "w1@here"}}
    assert "volume 7" in tq(*SHOP, "control", "volume", "7", *here).out
    status = json.loads(tq(*SHOP, "status", "--json", "-d", "w1@here", "-t", "30").out)
    assert status["workers"] == ["w1@here"]
    assert tq(*SHOP, "status", "-d", "w1@here,w2@here", "-t", "0.5").status == 1
    tq(*SHOP, "control", *here, "shutdown")
    assert worker.wait() == 0


def test_of_workers_that_hear_an_election_one_sends_the_task(project: Path, tq: Tq, start: Start) -> None:
    workers = [start(*SHOP, "worker", "-l", "INFO", "-P", "threads", "-n", f"w{n}@here") for n in (1, 2)]
    for worker in workers:
        worker.wait_for("is ready")
    sys.modules.pop("shop", None)
    app = find_app("shop")
    action = {"task": "shop.add", "args": [1, 2], "kwargs": {}, "options": {}}

    def elect(topic: str) -> list[Any]:
        replies = app.control.broadcast(
            "election", {"id": "1", "topic": topic, "action": action}, reply=True, timeout=30, limit=2
        )
        return [said for reply in replies or () for said in reply.values()]

    assert elect("task") == [{"ok": "task shop.add is sent once"}] * 2
    assert app.AsyncResult("election-1").get(timeout=30) == 3
    assert all("error" in said for said in elect("lunch"))
    # A second one that was sent would have been received by now: it would lie before this one.
    assert app.send_task("shop.add", (3, 4)).get(timeout=30) == 7
    assert sum(worker.output.count("shop.add[election-1] received") for worker in workers) == 1
    app.close()


def test_objects_are_drawn_where_the_library_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state: Any = None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(sys.modules, "objgraph", None)
    assert "pip install objgraph" in objgraph(state)["error"]
    asked: dict[str, Any] = {}
    library = ModuleType("objgraph")
    library.by_type = lambda name: [name] * 5000  # type: ignore[attr-defined]
    library.show_backrefs = lambda objects, **how: asked.update(how, count=len(objects))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "objgraph", library)
    (file,) = objgraph(state, num=10**9, max_depth=3, type="dict").values()
    assert Path(file).parent == tmp_path
    assert asked == {"count": 1000, "max_depth": 3, "filename": file}


@pytest.mark.parametrize("info", COMMANDS, ids=lambda info: info.name)
def test_each_command_has_help_and_is_listed(tq: Tq, info: CommandInfo) -> None:
    ended = tq(info.kind, info.name, "--help")
    assert ended.status == 0
    assert info.help and info.help.rstrip(".") in " ".join(ended.out.split())
    assert {"--json", "--destination", "--timeout"} <= set(ended.out.replace(",", " ").split())
    assert (info.name in tq(info.kind, "--list").out) is info.visible


@pytest.mark.parametrize("info", COMMANDS, ids=lambda info: info.name)
def test_each_command_is_documented_with_an_example(info: CommandInfo) -> None:
    page = (Path(__file__).parents[3] / "docs" / "control.md").read_text()
    if info.visible:
        lines = [line for line in page.splitlines() if line.startswith("|") and f"`{info.name}`" in line]
        assert lines, info.name
        family = info.name.split("_")[0]
        assert any(f"tq {info.kind} " in line and family in line for line in lines)


@pytest.mark.parametrize("name", sorted(KNOWN_FROM_CELERY))
def test_each_command_of_celery_is_there(name: str) -> None:
    panel = commands_of(HookManager())
    found = panel.find(name)
    assert found is not None
    assert found.kind == ("inspect" if name in INSPECT else "control")


def test_nobody_there_is_an_exit_status_of_its_own(tq: Tq) -> None:
    ended = tq(*SHOP, "inspect", "ping", "-t", "0.1")
    assert (ended.status, ended.out, ended.err) == (69, "", "Error: no worker replied within the time\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("inspect", "nosuch"), "There are: active, "),
        (("control", "rate_limit", "shop.add"), "rate_limit needs <task_name>"),
        (("control", "time_limit", "shop.add", "soon"), "soft cannot be 'soon'"),
        (("control", "pool_grow", "1", "2"), "too much: 2"),
        (("inspect", "ping", "extra"), "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_refused(tq: Tq, words: tuple[str, ...], sentence: str) -> None:
    ended = tq(*SHOP, *words)
    assert (ended.status, sentence in ended.err) == (2, True), ended.err


def test_words_become_arguments() -> None:
    by_name = {info.name: info for info in COMMANDS}
    assert arguments_of(by_name["terminate"], ["KILL", "a", "b"]) == {"signal": "KILL", "task_id": ["a", "b"]}
    assert arguments_of(by_name["time_limit"], ["t", "1", "2.5"]) == {
        "task_name": "t",
        "soft": 1.0,
        "hard": 2.5,
    }
    assert arguments_of(by_name["conf"], ["true"]) == {"with_defaults": True}
    assert arguments_of(by_name["autoscale"], ["10", "2"]) == {"max": 10, "min": 2}


def test_a_plugin_adds_commands_and_takes_none_of_tqs() -> None:
    class Plugin:
        @hookimpl
        def tq_control_commands(self) -> list[CommandInfo]:
            return [
                CommandInfo(name="mine", kind="inspect", function=lambda state: 1),
                CommandInfo(name="ping", kind="inspect", function=lambda state: "taken"),
            ]

    hooks = HookManager()
    hooks.register(Plugin())
    panel = commands_of(hooks)
    mine, ping = panel.find("mine"), panel.find("ping")
    assert mine is not None and mine.function(None) == 1
    assert ping is not None and ping.function(None) == {"ok": "pong"}
