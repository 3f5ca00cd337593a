"""`tq plugin new` from the wheel: each kind of plugin is built, installed, tested, and used from a config file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packaging.environment import Environment, build_wheel, run
from tests.processes import Program
from tests.project import CORE
from tq.plugins.scaffold import DRAFTS

SHOP = """
import time

from tq import TQ

app = TQ("shop")


@app.task
def nap(seconds):
    time.sleep(seconds)
    return "größe"
"""


@dataclass(frozen=True)
class Kit:
    """An environment with one plugin of each kind, installed from wheels, and the folders of their projects."""

    environment: Environment
    projects: Path

    @property
    def bin(self) -> Path:
        return self.environment.folder / "bin"


def name_of(kind: str) -> str:
    return f"own-{kind}"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder = tmp_path_factory.mktemp("kit")
    dist = folder / "dist"
    made = Kit(Environment.made(folder / "venv"), folder / "projects")
    build_wheel(CORE.folder, dist)
    made.environment.uv("install", "--find-links", dist, "tq-core[testing]")
    for kind in DRAFTS:
        run(made.bin / "tq", "plugin", "new", kind, name_of(kind), "--folder", made.projects / kind)
        build_wheel(made.projects / kind, dist)
    made.environment.uv("install", "--no-deps", *sorted(dist.glob("tq_own_*.whl")))
    return made


@pytest.mark.parametrize("kind", DRAFTS)
def test_the_tests_of_a_new_plugin_pass(kit: Kit, kind: str) -> None:
    report = run(kit.bin / "pytest", "-q", "-p", "no:cacheprovider", cwd=kit.projects / kind)
    assert " passed" in report
    skipped = [line for line in report.splitlines() if line.startswith("SKIPPED")]
    expected = ("not declared by", "has no options", "sets no limit", "writes binary", "no fixture")
    assert [line for line in skipped if not any(reason in line for reason in expected)] == []


def test_the_command_lists_each_without_a_fault(kit: Kit) -> None:
    listed = run(kit.bin / "tq", "plugins", cwd=kit.projects)
    for kind in DRAFTS:
        assert name_of(kind) in listed, listed
    assert "BROKEN" not in listed


def test_a_config_file_puts_all_of_them_to_work(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    (tmp_path / "tq.toml").write_text(
        f"""
broker_url = "own-broker://{tmp_path}/broker.db"
result_backend = "own-backend://{tmp_path}/results"
task_serializer = "own-serializer"
result_serializer = "own-serializer"
accept_content = ["own-serializer"]
worker_pool = "own-pool"
worker_concurrency = 2
own_hooks_seconds = 0.01
""",
        "utf-8",
    )
    tq = (str(kit.bin / "tq"), "--workdir", str(tmp_path), "-A", "shop")
    with (
        program(*tq, "worker", "-l", "info") as worker,
        program(*tq, "call", "shop.nap", "--args", "[0.1]", "--wait", "60") as call,
    ):
        assert call.wait() == 0, call.output() + worker.tail()
        assert "größe" in call.output()
        worker.stop()
        said = worker.output()
    assert "own-broker://" in said and "(own-pool)" in said, said
    assert "WARNING" in said and "shop.nap[" in said and " took 0." in said, said


@contextmanager
def program(*command: str) -> Iterator[Program]:
    made = Program(command)
    try:
        yield made
    finally:
        made.close()
