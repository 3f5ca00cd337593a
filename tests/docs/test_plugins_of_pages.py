"""The plugins of docs/plugins, taken from the pages, installed and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, files
from tq.plugins.scaffold import project
from tq.testing.dist import fake_dist

PAGES = sorted((DOCS / "plugins").glob("*.md"))
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
FILES = {name: text for page in PAGES for name, text in files(page).items()}
WORK = """
import sys, threading
from tq import TQ
from tq.app.work import WorkerOptions, make_worker

app = TQ("shop", broker=sys.argv[1], backend="memory://page", worker_shutdown_timeout=5)

@app.task
def double(number):
    return number * 2

worker = make_worker(app, WorkerOptions(pool="solo"))
thread = threading.Thread(target=worker.run, kwargs={"install_signals": False})
thread.start()
try:
    print(double.delay(21).get(timeout=30), double.apply_async((4,), countdown=0.2).get(timeout=30))
finally:
    worker.stop()
    thread.join(30)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the plugins of the pages are installed."""
    folder = tmp_path_factory.mktemp("site")
    add(folder, "tq-mini", "tq.brokers", "mini", "tq_mini.broker:MiniBroker")
    add(folder, "tq-packed", "tq.serializers", "packed", "tq_packed.serializer:PackedSerializer")
    add(folder, "tq-slow", "tq.hooks", "slow", "tq_slow")
    for package, name in (("tq_mini", "broker"), ("tq_packed", "serializer")):
        (folder / package).mkdir()
        made = project(name, package.removeprefix("tq_")).contents()
        (folder / package / "__init__.py").write_text(made[f"{package}/__init__.py"], "utf-8")
        (folder / package / f"{name}.py").write_text(FILES[f"{package}/{name}.py"], "utf-8")
    for module in ("tq_slow.py", "tq_mini_options.py"):
        (folder / module).write_text(FILES[module], "utf-8")
    return folder


def add(folder: Path, name: str, group: str, driver: str, target: str) -> None:
    """Install the metadata of one plugin, as its page says them."""
    if group != "tq.brokers":
        assert f'`{driver} = "{target.replace(".serializer:", ":")}"` in the group `{group}`' in TEXT
    fake_dist(folder, name, entry_points={group: {driver: target}})


def run(site: Path, folder: Path, *module: str | Path, code: str = "", given: Sequence[str] = ()) -> str:
    """Run a module or code in a process that has the plugins installed; return its output, or fail with it."""
    words = ["-c", code, *given] if code else ["-m", *map(str, module)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words[:2]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_broker_has_fewer_than_80_lines_and_the_page_counts_them() -> None:
    lines = [line for line in FILES["tq_mini/broker.py"].splitlines() if line.strip()]
    assert len(lines) < 80
    assert f"These are {len(lines)} lines" in TEXT


def test_the_project_of_the_page_is_what_the_command_writes() -> None:
    contents = project("broker", "mini").contents()
    assert FILES["tq_mini/broker.py"] == contents["tq_mini/broker.py"]
    assert FILES["tests/test_conformance.py"] == contents["tests/test_conformance.py"]


def test_the_command_lists_all_of_them(site: Path, tmp_path: Path) -> None:
    listed = json.loads(run(site, tmp_path, "tq", "plugins", "--json"))
    found = {(row["kind"], row["name"]): row for row in listed}
    mini = found["broker", "mini"]
    assert mini["distribution"] == "tq-mini"
    assert mini["capabilities"] == "delay, atomic_publish, durable, shared"
    assert mini["api_version"] == 1
    assert found["serializer", "packed"]["error"] is None
    assert found["hook", "slow"]["capabilities"] == "task_success"


def test_a_worker_runs_tasks_from_the_broker_of_the_page(site: Path, tmp_path: Path) -> None:
    url = f"mini://{tmp_path}/tq.db"
    assert run(site, tmp_path, code=WORK, given=[url]).split() == ["42", "8"]


def test_options_are_read_and_misspelt_ones_refused(site: Path, tmp_path: Path) -> None:
    code = """
from tq_mini_options import TunedBroker
from tq.errors import ImproperlyConfigured

assert TunedBroker("mini:///tq.db?timeout=2").options.timeout == 2.0
try:
    TunedBroker("mini:///tq.db", {"timeuot": 2})
except ImproperlyConfigured as exc:
    print(exc)
"""
    assert "did you mean 'timeout'?" in run(site, tmp_path, code=code)


def test_the_observer_is_told(site: Path, tmp_path: Path) -> None:
    code = """
import logging
from types import SimpleNamespace
from tq.plugins.hooks import HookManager

logging.basicConfig(format="%(message)s", stream=__import__("sys").stdout)
hooks = HookManager()
assert hooks.load() == []
request = SimpleNamespace(task="shop.add", id="1", queue="celery")
for seconds in (9.0, 11.0):
    hooks.bind("task_success")(request=request, result=None, runtime=seconds)
"""
    assert run(site, tmp_path, code=code).strip() == "shop.add[1] took 11.0 s"
