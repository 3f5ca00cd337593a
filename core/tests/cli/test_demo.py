"""`tq demo`: a real run."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.demo.files import find
from tq.demo.totals import percentile
from tq.demo.word_count import count
from tq.testing.waiting import eventually

from .conftest import Start, Tq, living


@pytest.fixture
def library(project: Path) -> Path:
    folder = project / "library"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.txt").write_text("The cat and the dog\nand a bird\n")
    (folder / "deep" / "two.py").write_text("the = 1\n")
    (folder / "empty.txt").touch()
    (folder / "latin.txt").write_bytes("süß".encode("latin-1"))
    (folder / "picture.bin").write_bytes(b"\x89PNG\0\0")
    (folder / ".hidden").write_text("secret")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "two.pyc").write_text("the the the")
    (folder / "link.txt").symlink_to(folder / "one.txt")
    return folder


def test_the_demo_counts_files_with_a_real_worker(library: Path, start: Start) -> None:
    program = start("-q", "demo", "library", "-c", "2", "--json")
    assert program.wait() == 0, program.output
    outcome = json.loads(program.output[program.output.index("{\n") :])
    totals, figures = outcome["totals"], outcome["figures"]
    assert {name: totals[name] for name in ("files", "lines", "words", "bytes")} == {
        "files": 3,
        "lines": 3,
        "words": 8,
        "bytes": 39,
    }
    assert totals["top_words"][:2] == [["the", 3], ["and", 2]]
    assert totals["largest"][0] == {"path": "one.txt", "value": 31}
    assert totals["longest_line"] == {"path": "one.txt", "value": 19}
    assert outcome["skipped"] == {"binary": 1}
    assert (figures["tasks"], figures["failures"], figures["pool"]) == (4, 1, "prefork")
    assert 0 < figures["latency"]["p50"] <= figures["latency"]["p99"]
    [failure] = outcome["failures"]
    assert failure["path"] == "latin.txt"
    assert failure["error"].startswith("ValueError: not UTF-8 text")
    assert sorted(path.name for path in library.parent.iterdir() if path.is_dir()) == ["library"]


def test_the_demo_writes_tables_for_people_and_leaves_a_shared_broker_as_it_was(
    library: Path, tq: Tq, start: Start
) -> None:
    program = start("demo", "library", "-P", "solo", "--broker", "sqlite:///shared.db", "--limit", "2")
    assert program.wait() == 0, program.output
    for words in ("Most common words", "send to done, p95", "1 (solo)", "2 of 2 done"):
        assert words in program.output
    import sqlite3

    with sqlite3.connect(library.parent / "shared.db") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        rows = {name: database.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables}
    assert {name: number for name, number in rows.items() if "message" in name or "result" in name}.values()
    assert all(number == 0 for name, number in rows.items() if "message" in name or "result" in name), rows


def test_the_demo_runs_on_redis_with_one_url(library: Path, start: Start, redis_url: str) -> None:
    program = start("-q", "demo", "library", "-P", "threads", "-c", "2", "--json", "--broker", redis_url)
    assert program.wait() == 0, program.output
    figures = json.loads(program.output[program.output.index("{\n") :])["figures"]
    assert (figures["tasks"], figures["broker"]) == (4, figures["backend"])


@pytest.mark.parametrize("how", ["interrupt", "terminate"])
def test_a_demo_that_is_stopped_takes_its_worker_along(project: Path, start: Start, how: str) -> None:
    program = start("demo", "-P", "solo")
    program.wait_for(" done, ")
    if how == "interrupt":
        program.interrupt()
    else:
        program.process.send_signal(signal.SIGTERM)
    assert program.wait() in (1, 128 + signal.SIGTERM)
    assert "Traceback" not in program.output
    eventually(lambda: not living(program.process.pid), "the end of the worker")


def test_a_demo_that_is_killed_leaves_no_worker_behind(start: Start) -> None:
    program = start("demo", "-P", "solo")
    program.wait_for(" done, ")
    program.process.kill()
    program.wait()
    eventually(lambda: not living(program.process.pid), "the end of the worker")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("nowhere",), 2, "does not exist"),
        (("empty",), 1, "there is no text file below"),
        (("shop.py", "--broker", "memory://"), 1, "lives in one process"),
        (("shop.py", "--broker", "nope://x"), 1, "no broker plugin for nope://"),
        (("shop.py", "-P", "nope"), 1, "no pool plugin for 'nope'"),
    ],
)
def test_a_demo_that_cannot_run_says_why(
    project: Path, start: Start, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    (project / "empty").mkdir()
    program = start("demo", *arguments)
    assert program.wait() == status
    assert sentence in program.output


def test_a_worker_that_cannot_start_ends_the_demo(
    project: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQ_WORKER_MAX_TASKS_PER_CHILD", "5")
    program = start("demo", "shop.py", "-P", "solo")
    assert program.wait() == 1
    assert "the demo's worker ended with status 1" in program.output
    assert "cannot keep max_tasks_per_child" in program.output


def test_files_are_found_in_order_and_what_is_left_out_is_counted(library: Path) -> None:
    found = find(library)
    assert [path.name for path in found.paths] == ["empty.txt", "latin.txt", "one.txt", "two.py"]
    assert found.skipped == {"binary": 1}
    assert [path.name for path in find(library, limit=1).paths] == ["empty.txt"]
    assert find(library / "one.txt").paths == [library / "one.txt"]


def test_the_task_is_a_function_that_can_be_called(library: Path) -> None:
    assert count(str(library / "one.txt")) == {
        "size": 31,
        "lines": 2,
        "words": 7,
        "longest_line": 19,
        "top_words": {"the": 2, "and": 2, "cat": 1, "dog": 1, "bird": 1},
    }
    with pytest.raises(FileNotFoundError):
        count(str(library / "nothing"))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[float], share: int
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert sum(value <= found for value in ordered) * 100 >= share * len(ordered)
    assert sum(value < found for value in ordered) * 100 < share * len(ordered)
