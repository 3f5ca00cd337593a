"""Pools that patch the standard library do so before the app is imported, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.tests.cli.conftest import Start
from tq.cli.patching import patch_early, refuse_late
from tq.errors import ImproperlyConfigured, PluginError

PATCHER = """
import sys
from tq.worker.solo import SoloPool


class Patching(SoloPool):
    @classmethod
    def prepare(cls):
        print("patched", "before" if "shop" not in sys.modules else "after", "the app", flush=True)


class Other(Patching):
    pass


class Plain(SoloPool):
    pass
"""
POOL = "patcher:Patching"


@pytest.fixture(autouse=True)
def patcher(project: Path) -> Path:
    file = project / "patcher.py"
    file.write_text(PATCHER)
    return file


@pytest.mark.parametrize(
    "words",
    [
        ["worker", "-P", POOL],
        ["worker", "-l", "INFO", f"-P{POOL}"],
        ["worker", "--pool", POOL, "-c", "1"],
        ["-A", "worker", "--workdir", ".", "-q", "worker", f"--pool={POOL}"],
        ["--config=x", "worker", "-P", "solo", "-P", POOL],
    ],
)
def test_the_pool_of_the_command_line_is_found_in_each_of_its_forms(words: list[str]) -> None:
    assert patch_early(words, {}) == POOL


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--version"],
        ["status", "-P", POOL],
        ["-A", "worker", "beat"],
        ["--app"],
        ["worker", "-P"],
        ["worker", "-P", "patcher:Plain"],
        ["worker", "-P", POOL, "--help"],
        ["worker", "-P", POOL, "--processes", "2"],
        ["worker", "--processes=2", "-P", POOL],
    ],
)
def test_other_command_lines_patch_nothing(words: list[str]) -> None:
    assert patch_early(words, {}) is None


def test_the_environment_counts_before_the_file_and_behind_the_option(project: Path) -> None:
    (project / "tq.toml").write_text(
        f'worker_pool = "{POOL}"\n[profile.two]\nworker_pool = "patcher:Other"\n'
    )
    assert patch_early(["worker"], {}) == POOL
    assert patch_early(["worker"], {"TQ_PROFILE": "two"}) == "patcher:Other"
    assert patch_early(["worker"], {"TQ_WORKER_POOL": "patcher:Other"}) == "patcher:Other"
    assert patch_early(["worker", "-P", POOL], {"TQ_WORKER_POOL": "patcher:Other"}) == POOL


def test_the_file_is_looked_for_in_the_folder_that_the_command_changes_to(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "tq.toml").write_text(f'worker_pool = "{POOL}"\n')
    assert patch_early(["worker"], {}) is None
    assert patch_early(["--workdir", "sub", "worker"], {}) == POOL
    assert patch_early(["--workdir=sub", "worker"], {}) == POOL


def test_a_pool_that_is_not_there_is_an_error_at_once() -> None:
    with pytest.raises(PluginError, match="nope"):
        patch_early(["worker", "-P", "nope"], {})


def test_a_wrong_file_is_left_to_be_reported_with_the_settings(project: Path) -> None:
    (project / "tq.toml").write_text("worker_pool =")
    assert patch_early(["worker"], {}) is None


def test_a_pool_that_comes_too_late_is_refused() -> None:
    refuse_late("solo", "default", None)
    refuse_late(POOL, "default", POOL)
    with pytest.raises(ImproperlyConfigured, match="too late to patch.*tq worker -P patcher:Patching"):
        refuse_late(POOL, "app.conf.worker_pool = ...", None)
    with pytest.raises(ImproperlyConfigured, match="patched for 'patcher:Patching' already"):
        refuse_late("solo", "app.conf.worker_pool = ...", POOL)


@pytest.mark.parametrize("how", ["option", "file"])
def test_a_worker_patches_before_its_app_is_imported(start: Start, project: Path, how: str) -> None:
    options = ("-P", POOL) if how == "option" else ()
    if how == "file":
        (project / "tq.toml").write_text(f'worker_pool = "{POOL}"\n')
    program = start("-A", "shop", "-b", "memory://", "worker", "-l", "INFO", *options)
    program.wait_for("is ready")
    assert program.output.count("patched") == 1
    assert "patched before the app" in program.output
    program.interrupt()
    assert program.wait() == 0


def test_a_worker_whose_app_names_such_a_pool_in_its_code_does_not_start(start: Start, project: Path) -> None:
    with (project / "shop.py").open("a") as file:
        file.write(f'app.conf.worker_pool = "{POOL}"\n')
    program = start("-A", "shop", "-b", "memory://", "worker")
    assert program.wait() == 1
    assert "Error: worker_pool is 'patcher:Patching' by app.conf.worker_pool = ..." in program.output
