"""`import tq` brings no more than an app that defines tasks needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = frozenset(
    {
        "asyncio",
        "click",
        "importlib.metadata",
        "multiprocessing",
        "pluggy",
        "redis",
        "rich",
        "sqlalchemy",
        "ssl",
    }
    | {"stevedore", "subprocess", "watchfiles"}
)
VERSION = "from tq.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass"
DEFINE = "import tq\napp = tq.TQ('x', broker='memory://')\n@app.task\ndef f(): ...\n"


def imported(program: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(ended.stdout.split())


@pytest.mark.parametrize("program", ["import tq", DEFINE], ids=["import tq", "define a task"])
def test_what_is_not_needed_is_not_imported(program: str) -> None:
    assert imported(program) & HEAVY == set()


def test_the_command_line_imports_the_command_that_is_used_only() -> None:
    modules = imported(VERSION)
    assert "click" in modules
    assert (
        modules & {"rich", "sqlalchemy", "redis", "watchfiles", "tq.cli.worker", "tq.worker.worker"} == set()
    )
