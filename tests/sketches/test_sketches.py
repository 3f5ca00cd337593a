"""The pools that are still to come fit the contract as it is."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run_program(program: str, package: str, name: str) -> Any:
    """What `program` prints about that pool; monkey-patching needs a process of its own."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install {package}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.sketches.{program}", f"{package}_pool", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " failed: " not in done.stderr, "a body that is given back has not failed"
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("package", "name"), [("gevent", "GeventPool"), ("eventlet", "EventletPool")], ids=["gevent", "eventlet"]
)
def test_greenlets_fit_the_contract(package: str, name: str) -> None:
    seen = run_program("green_program", package, name)
    assert [seen["warm"][key] for key in "012"] == ["'met'"] * 3
    assert "SoftTimeLimitExceeded" in seen["warm"]["3"]
    assert seen["greenlets"] == 3
    assert seen["given_back"] == [0, 1]
    assert seen["cold_outcomes"] == {}
    assert seen["cold_seconds"] < 5, "a body of 30 s was not waited for"
    assert seen["receipts"] == [-1]


@pytest.mark.parametrize(
    ("package", "name"),
    [("gevent", "GeventPool"), ("eventlet", "EventletPool")],
    ids=["gevent", "eventlet"],
)
def test_the_worker_of_the_core_runs_on_a_sketched_pool(package: str, name: str) -> None:
    seen = run_program("real_program", package, name)
    assert seen["met"] == [0, 1, 2]
    assert seen["cold_seconds"] < 5, "a body of 60 s was not waited for"
    assert seen["waiting"] == 1, "it was given back"
