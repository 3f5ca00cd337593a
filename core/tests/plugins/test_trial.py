"""`tq plugins check`: the suite on a store that is there, right and wrong ones."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tq.errors import PluginError
from tq.plugins import trial
from tq.plugins.scaffold import project
from tq.plugins.trial import Target, Trial
from tq.testing.dist import fake_dist

DRIVERS = '''
import time
from tq.brokers.memory import MemoryBroker
from tq.contracts import BackendCap
from tq.results.memory import MemoryBackend

class Careless(MemoryBroker):
    """Says of a bad message that it was accepted, and tells everybody its URL."""

    def publish(self, batch, *, timeout):
        answer = super().publish(batch, timeout=timeout)
        assert not any(answer), f"it was refused at {self.url}"
        return answer

class Hanging(MemoryBroker):
    def publish(self, batch, *, timeout):
        time.sleep(60)

class Replying(MemoryBackend):
    capabilities = BackendCap.REPLIES
'''
BAD = "publish_reports_a_bad_message"
Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where two distributions are installed: wrong drivers, and a right one that keeps a file."""
    folder = tmp_path_factory.mktemp("site")
    wrong = {"careless": "wrong_drivers:Careless", "hanging": "wrong_drivers:Hanging"}
    points = {"tq.brokers": wrong, "tq.backends": {"replying": "wrong_drivers:Replying"}}
    fake_dist(folder, "wrong", entry_points=points, modules={"wrong_drivers": DRIVERS})
    made = project("broker", "carrier")
    source = made.contents()["tq_carrier/broker.py"]
    points = {"tq.brokers": {"carrier": f"carrier:{made.class_name}"}}
    fake_dist(folder, "carrier", entry_points=points, modules={"carrier": source})
    return folder


@pytest.fixture
def environment(site: Path) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TQ_")}
    return {**kept, "PYTHONPATH": str(site)}


@pytest.fixture
def check(environment: Mapping[str, str], tmp_path: Path) -> Check:
    """Run `tq plugins check` in a process of its own, where the drivers are installed."""

    def run(*words: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tq", "plugins", "check", *words],
            cwd=tmp_path,
            env={**environment, **more},
            input=given,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


def test_a_store_that_keeps_the_rules_passes_and_nothing_of_the_suite_is_left_there(
    check: Check, tmp_path: Path
) -> None:
    url = f"carrier://{tmp_path}/tq.db"
    done = check(url, "--yes", "-k", "receive_hands_out or publish_takes_any or nothing_listens")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"CarrierBroker at {url}: all rules hold that could be tested." in done.stdout
    assert "0 failed" in done.stderr, "it says how far it is"
    with sqlite3.connect(tmp_path / "tq.db") as db:
        assert db.execute("SELECT queue FROM tq").fetchall() == []


def test_a_rule_that_does_not_hold_is_shown_with_its_reason_and_no_password(check: Check) -> None:
    done = check("careless://user:s3cret@host/", "--yes", "-k", BAD)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DOES NOT HOLD: publish reports a bad message and sends its neighbours" in done.stdout
    assert "why it is a rule: " in done.stdout
    assert "it was refused at careless://user:**@host/" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr


def test_as_json_each_rule_has_its_area_its_reason_and_what_came_of_it(check: Check) -> None:
    done = check("--yes", "--json", "-k", BAD, TQ_BROKER_URL="careless://user:s3cret@host/")
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {key: found[key] for key in ("kind", "url", "driver", "trouble")} == {
        "kind": "broker",
        "url": "careless://user:**@host/",
        "driver": "Careless",
        "trouble": "",
    }
    [rule] = found["rules"]
    assert (rule["area"], rule["outcome"]) == ("Publishing", "fails")
    assert rule["reason"]


def test_nothing_is_done_before_somebody_has_said_yes(check: Check, tmp_path: Path) -> None:
    url = f"carrier://{tmp_path}/tq.db"
    done = check(url, "-k", BAD, given="n\n")
    assert (done.returncode, list(tmp_path.iterdir())) == (1, []), done.stdout + done.stderr
    assert f"The suite will use the broker {url}" in done.stderr


@pytest.mark.parametrize(
    ("url", "words", "answer"),
    [
        ("memory://x", (), "memory:// is a broker and a result backend: add --as broker or --as backend"),
        ("nowhere://user:s3cret@x", (), "no broker plugin for nowhere://"),
        ("carrier:///tmp/x", ("--as", "backend"), "no result backend plugin for carrier://"),
        ("replying://", (), "Replying sends results through a broker"),
        ("redis://:s3cret@127.0.0.1:1/0", ("--as", "broker"), "no connection to Redis"),
        ("redis://:s3cret@127.0.0.1:1/0", ("--as", "backend"), "no connection to Redis"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    check: Check, url: str, words: tuple[str, ...], answer: str
) -> None:
    done = check(url, "--yes", *words)
    assert done.returncode == 1
    assert answer in done.stderr
    assert "s3cret" not in done.stderr


def test_where_nothing_was_tested_no_rule_is_said_to_hold(check: Check) -> None:
    done = check("memory://x", "--as", "backend", "--yes", "-k", "no_such_rule")
    assert done.returncode == 1
    assert "MemoryBackend at memory://x: the suite did not come to its end." in done.stdout


def test_a_result_backend_is_checked_too(check: Check) -> None:
    done = check("memory://x", "--as", "backend", "--yes", "--json", "-k", "wait_of_nothing or success")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {rule["outcome"] for rule in json.loads(done.stdout)["rules"]} == {"holds"}


def test_a_rule_that_never_ends_ends_the_run(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    run = Trial("broker", Target("hanging://"), rules=BAD, patience=2.0)
    assert [type(event).__name__ for event in run.events()] == ["Begun"]
    assert run.trouble == "a rule did not come to its end within 2 s"


def test_a_run_that_is_broken_off_removes_what_it_made(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    events = Trial("broker", Target(f"carrier://{tmp_path}/tq.db"), rules="publish_takes_any").events()
    next(event for event in events if isinstance(event, trial.Ended))
    events.close()
    with sqlite3.connect(tmp_path / "tq.db") as db:
        assert db.execute("SELECT queue FROM tq").fetchall() == []


def test_a_suite_that_cannot_begin_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    run = Trial("broker", Target("gone://"))
    assert list(run.events()) == []
    assert "no broker plugin for gone://" in run.trouble


def test_without_its_tools_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r'needs pytest and hypothesis: pip install "tq-core\[testing\]"'):
        trial.need_tools()
