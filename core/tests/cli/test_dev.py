"""`tq dev`: a worker that follows its source."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click
import pytest

from tq.cli.dev import split

from .conftest import Start, Tq

pytest.importorskip("watchfiles")


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_changed_file_starts_the_worker_again_and_a_syntax_error_waits_for_its_end(
    project: Path, start: Start, how: str
) -> None:
    program = start("dev", "shop", "--", "-P", "solo")
    program.wait_for("shop.mail")
    source = (project / "shop.py").read_text()
    (project / "shop.py").write_text("app = (\n")
    program.wait_for("shop.py changed: starting again")
    program.wait_for("SyntaxError")
    program.wait_for("the worker ended with status 1; waiting for a change")
    (project / "shop.py").write_text(source + "\n\n@app.task\ndef pack() -> None: ...\n")
    program.wait_for("shop.pack")
    if how == "interrupt":
        program.interrupt()
    else:
        program.process.send_signal(signal.SIGTERM)
    assert program.wait() in (0, 128 + signal.SIGTERM)
    assert "Traceback" not in program.output.partition("shop.pack")[2]


def test_module_and_options_are_told_apart() -> None:
    assert split(["shop", "-l", "INFO"], None) == ("shop", ["-l", "INFO"])
    assert split(["-l", "INFO"], "shop") == ("shop", ["-l", "INFO"])
    assert split(["shop"], "shop") == ("shop", [])


@pytest.mark.parametrize("words", [[], ["-l", "INFO"], ["shop", "other"]])
def test_a_wrong_line_is_refused(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        split(words, None)


def test_two_modules_are_refused() -> None:
    with pytest.raises(click.UsageError, match="two modules"):
        split(["other"], "shop")


def test_without_watchfiles_the_line_that_installs_it_is_shown(
    tq: Tq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    ended = tq("dev", "shop")
    assert ended.status == 1
    assert "-m pip install watchfiles" in ended.err
