"""The plugins of docs/writing-a-plugin.md, taken from the page, built, installed and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, files
from tq.testing.dist import fake_dist

PAGE = DOCS / "writing-a-plugin.md"
FILES = files(PAGE)
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
    """A folder with the wheel that the page's pyproject.toml builds, and beside it the two small plugins."""
    project = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text, "utf-8")
    run(project, project, "hatchling", "build", "-t", "wheel", "-d", "dist")
    folder = tmp_path_factory.mktemp("site")
    [wheel] = (project / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    add(folder, "tq-packed", {"tq.serializers": {"packed": "tq_packed:PackedJson"}})
    add(folder, "tq-slow", {"tq.hooks": {"slow": "tq_slow"}})
    (folder / "tq_mini_options.py").write_text(FILES["tq_mini_options.py"], "utf-8")
    return folder


def add(folder: Path, name: str, entry_points: dict[str, dict[str, str]]) -> None:
    """Install one of the plugins that the page shows without a pyproject.toml of its own."""
    [[group, entries]] = entry_points.items()
    [[driver, target]] = entries.items()
    page = PAGE.read_text("utf-8")
    assert f'`{driver} = "{target}"`' in page
    assert f"`{group}`" in page
    module = target.partition(":")[0]
    fake_dist(folder, name, entry_points=entry_points, modules={module: FILES[f"{module}.py"]})


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
    lines = [line for line in FILES["tq_mini.py"].splitlines() if line.strip()]
    assert len(lines) < 80
    assert f"These are {len(lines)} lines" in PAGE.read_text("utf-8")


def test_the_broker_and_the_serializer_pass_the_conformance_suites(site: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("tests/test_mini.py", "tests/test_packed.py"):
        (tmp_path / name).write_text(FILES[name], "utf-8")
    report = run(
        site, tmp_path, "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", tmp_path, tests
    )
    assert "failed" not in report
    skipped = [line for line in report.splitlines() if line.startswith("SKIPPED")]
    reasons = ("not declared by MiniBroker", "MiniBroker has no options", "MiniBroker sets no limit")
    unexplained = [
        line
        for line in skipped
        if not any(reason in line for reason in (*reasons, "writes binary", "no fixture"))
    ]
    assert unexplained == []
    for fixture in ("broker_url", "dead_url", "put_raw"):
        assert f"no fixture `{fixture}`" not in report


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
