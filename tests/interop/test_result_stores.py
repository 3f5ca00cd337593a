"""Results in the stores that are for results alone, or beside a broker of our own: Celery reads ours, and we read Celery's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.program import ROOT, clean_environment
from tests.services.memcached import MemcachedServer
from tq.contracts import ResultBackend
from tq.plugins.registry import load_backend
from tq.records import TaskMeta
from tq.wire.ids import new_id
from tq.wire.json import JsonSerializer


@pytest.fixture(params=["file", "mongodb", "memcached", "memcached, two servers"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """One URL for both sides."""
    if request.param == "file":
        (tmp_path / "results").mkdir()
        yield f"file://{tmp_path}/results"
    elif request.param == "mongodb":
        yield request.getfixturevalue("mongodb_url")
    elif request.param == "memcached":
        yield request.getfixturevalue("memcached_url").replace("memcache://", "cache+memcached://")
    else:
        shared: MemcachedServer = request.getfixturevalue("shared_memcached")
        with MemcachedServer() as second:
            yield f"cache+memcached://127.0.0.1:{shared.port};127.0.0.1:{second.port}/"


@pytest.fixture
def backend(url: str) -> Iterator[ResultBackend]:
    """Our side."""
    made = load_backend(url, {}, serializer=JsonSerializer(), expires=3600.0)
    yield made
    made.close()


def celery(python: Path, *words: str) -> Any:
    """Run Celery's side; what it printed."""
    done = subprocess.run(
        [python, "-m", "tests.interop.celery_results", *words],
        cwd=ROOT,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def test_celery_reads_our_results_and_groups(celery_python: Path, url: str, backend: ResultBackend) -> None:
    good, bad, group = new_id(), new_id(), new_id()
    error = {"exc_type": "ValueError", "exc_message": ["größe"], "exc_module": "builtins"}
    members = [TaskMeta(new_id(), "SUCCESS", number) for number in range(5)]
    backend.store([TaskMeta(good, "SUCCESS", {"x": [1, "größe"]}), TaskMeta(bad, "FAILURE", error), *members])
    backend.save_group(group, [[group, None], [[[each, None], None] for each in (good, bad)]])
    results, saved = celery(celery_python, url, "read", good, bad, *(each.task_id for each in members), group)
    assert results[:2] == [["SUCCESS", {"x": [1, "größe"]}], ["FAILURE", "ValueError('größe')"]]
    assert results[2:] == [["SUCCESS", number] for number in range(5)]
    assert saved == [good, bad]


def test_we_read_celerys_results_and_groups(celery_python: Path, url: str, backend: ResultBackend) -> None:
    good, bad, group = new_id(), new_id(), new_id()
    celery(celery_python, url, "write", good, bad, group)
    found = {**backend.wait([good], 60.0), **backend.wait([bad], 60.0)}
    assert (found[good].status, found[good].result) == ("SUCCESS", {"x": [1, "größe"]})
    assert (found[bad].status, found[bad].result["exc_type"]) == ("FAILURE", "ValueError")
    assert found[bad].traceback == "Traceback ..."
    structure = backend.load_group(group)
    assert structure is not None
    assert [member[0][0] for member in structure[1]] == [good, bad]
    backend.store([TaskMeta(good, "FAILURE")])
    assert backend.get([good])[good].status == "SUCCESS"
