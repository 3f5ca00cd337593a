"""`tq worker`: its options, its banner, and life in the background."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tq.app.work import usable_cpus
from tq.cli.daemon import expand_path
from tq.testing.waiting import eventually

from .conftest import Start, Tq, living

SHOP = ("-A", "shop")
SOLO = (*SHOP, "worker", "-P", "solo")


def test_the_banner_says_what_the_worker_is_about_to_do(start: Start) -> None:
    program = start(*SHOP, "worker", "-P", "threads", "-c", "3", "-n", "w1@%h", "-Q", "a,b", "-X", "b")
    program.wait_for("shop.mail")
    lines = [line.split() for line in program.output.splitlines()]
    assert lines[0][1] == f"w1@{socket.gethostname()}"
    for line in (
        ["app", "shop"],
        ["results", "sqlite:///.tq/tq.db"],
        ["concurrency", "3", "(threads)"],
        ["[queues]"],
        ["a"],
        ["[tasks]"],
        ["shop.add"],
    ):
        assert line in lines
    assert ["b"] not in lines
    assert "embedded, in this directory" in program.output
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0


def test_an_interrupt_ends_a_worker_and_its_children(start: Start) -> None:
    program = start("-q", *SHOP, "worker", "-P", "prefork", "-c", "2")
    eventually(lambda: consumers(start) == 2, lambda: program.output)
    program.interrupt()
    assert program.wait() == 0
    assert living(program.process.pid) == []


def consumers(start: Start) -> int:
    asked = start(*SHOP, "status", "--json")
    asked.wait()
    return int(json.loads(asked.output)["queues"][0]["consumers"] or 0)


def test_a_detached_worker_has_a_pid_file_and_a_log_until_it_is_told_to_end(
    project: Path, start: Start
) -> None:
    files = ("--detach", "--pidfile", "%n.pid", "--logfile", "%n.log")
    program = start(*SOLO, "-n", "mails@%h", "-l", "INFO", *files)
    assert program.wait() == 0, program.output
    assert "runs in the background as process" in program.output
    pid = int((project / "mails.pid").read_text())
    group = os.getpgid(pid)
    try:
        assert living(group)
        again = start(*SOLO, "-n", "mails@%h", *files)
        assert again.wait() == 1
        assert f"mails.pid belongs to process {pid}, which is running" in again.output
        sent = start(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--wait", "20")
        assert sent.wait() == 0, sent.output
        assert "shop.add" in (project / "mails.log").read_text()
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not living(group), "the end of the worker")
    finally:
        if living(group):
            os.killpg(group, signal.SIGKILL)
    assert not (project / "mails.pid").exists()


def test_the_pid_file_of_a_dead_process_is_replaced(project: Path, start: Start) -> None:
    dead = start("--version")
    dead.wait()
    (project / "w.pid").write_text(f"{dead.process.pid}\n")
    program = start(*SOLO, "--pidfile", "w.pid")
    eventually(
        lambda: (
            (project / "w.pid").exists() and (project / "w.pid").read_text() == f"{program.process.pid}\n"
        ),
        lambda: program.output,
    )
    program.wait_for("[tasks]")
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    assert not (project / "w.pid").exists()


def test_a_worker_that_cannot_start_in_the_background_says_why_to_the_terminal(start: Start) -> None:
    program = start("-A", "nowhere", "worker", "--detach", "-f", "w.log")
    assert program.wait() == 1
    assert "Error: -A nowhere: there is no module" in program.output


def test_names_of_files_can_hold_the_name_of_the_worker() -> None:
    assert expand_path("/var/log/%n-%d%I.log", "w1@host.net") == "/var/log/w1-host.net.log"
    assert expand_path("%h/%i", "w1@host") == "w1@host/0"


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (("-P", "nope"), 1, "no pool plugin for 'nope'"),
        (("-P", "solo", "-c", "3"), 1, "one task at a time"),
        (("-P", "threads", "--time-limit", "3"), 1, "the threads pool cannot keep time_limit"),
        (("-P", "solo", "--time-limit", "3"), 1, "the solo pool cannot keep time_limit"),
        (("-P", "threads", "--max-tasks-per-child", "3"), 1, "cannot keep max_tasks_per_child"),
        (("-P", "threads", "--max-memory-per-child", "3"), 1, "cannot keep max_memory_per_child"),
        (("-P", "solo", "--autoscale", "3,1"), 1, "the solo pool cannot keep autoscale"),
        (("--autoscale", "1,3"), 2, "the largest size comes first, as in 3,1"),
        (("--autoscale", "many"), 2, "is not MAX,MIN"),
        (("--autoscale", "3,1", "-c", "2"), 2, "leave -c away"),
        (("-c", "0"), 2, "a number from 1 up, or auto"),
        (("-l", "LOUD"), 2, "LOUD"),
        (("-X", "celery"), 1, "no queue is left to read"),
        (("-P", "solo", "-I", "missing_module"), 1, "No module named 'missing_module'"),
        (("-P", "solo", "-f", "/nonexistent/folder/w.log"), 1, "cannot write the log file"),
        (("-P", "solo", "--pidfile", "/nonexistent/folder/w.pid"), 1, "cannot write the pid file"),
    ],
)
def test_an_option_that_cannot_be_kept_is_refused(
    start: Start, options: tuple[str, ...], status: int, sentence: str
) -> None:
    program = start(*SHOP, "worker", *options)
    assert program.wait() == status
    assert sentence in program.output


def test_options_without_a_meaning_here_say_so_and_are_accepted(start: Start) -> None:
    program = start(*SOLO, "--without-gossip", "--without-mingle", "-O", "fair")
    program.wait_for("[tasks]")
    for name in ("gossip", "mingle"):
        assert f"--without-{name} changes nothing" in program.output


def test_a_worker_waits_for_a_broker_that_is_not_there_and_says_so(start: Start) -> None:
    program = start("-b", "redis://127.0.0.1:1/0", *SOLO)
    program.wait_for("trying again in")
    assert "redis://127.0.0.1:1/0" in program.output
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0


def test_a_worker_told_not_to_wait_for_its_broker_ends(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQ_BROKER_CONNECTION_RETRY_ON_STARTUP", "false")
    program = start("-b", "redis://127.0.0.1:1/0", *SOLO)
    assert program.wait() == 1
    assert "Error: " in program.output


def test_purge_removes_what_waited(tq: Tq, start: Start) -> None:
    tq(*SHOP, "call", "shop.fail")
    program = start(*SOLO, "--purge", "-l", "INFO")
    program.wait_for("[tasks]")
    assert "removed 1 messages from celery" in program.output
    assert tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--wait", "20").status == 0
    assert "shop.fail[" not in program.output


def test_concurrency_can_be_put_back_to_one_for_each_processor(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQ_WORKER_CONCURRENCY", "17")
    told = start(*SHOP, "worker", "-P", "threads", "-c", "auto")
    untold = start(*SHOP, "worker", "-P", "threads")
    told.wait_for("[tasks]")
    untold.wait_for("[tasks]")
    assert f"concurrency  {usable_cpus()} (threads)" in told.output
    assert "concurrency  17 (threads)" in untold.output


def test_an_autoscaled_pool_starts_small(start: Start) -> None:
    program = start(*SHOP, "worker", "-P", "prefork", "--autoscale", "3,1")
    program.wait_for("[tasks]")
    assert "1 to 3 (prefork)" in program.output
    eventually(lambda: consumers(start) == 1, lambda: program.output)
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0


def test_a_worker_ends_when_the_command_that_started_it_is_gone(start: Start) -> None:
    program = start(*SOLO, "--parent-pid", "1")
    assert program.wait() == 0
