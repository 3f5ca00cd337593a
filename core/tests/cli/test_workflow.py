"""`tq workflow`: its views of a tree, cancelling, and running anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.tests.canvas.stage import Stage
from core.tests.cli.conftest import Tq
from tq import TQ, chain, chord

FLOWS = """
from tq import TQ

app = TQ("flows", broker="memory://{0}", backend="memory://{0}", worker_pool="solo")
broken = set(["bad"])


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fragile(label):
    if label in broken:
        raise ValueError(label)
    return 1
"""


@pytest.fixture
def flows(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (project / "flows.py").write_text(FLOWS.format(project.name))
    monkeypatch.delitem(__import__("sys").modules, "flows", raising=False)
    yield __import__("flows")
    monkeypatch.delitem(__import__("sys").modules, "flows", raising=False)


@pytest.fixture
def sent(flows: Any) -> Any:
    """A chord with a member that fails."""
    app: TQ = flows.app
    members = [flows.add.s(1, 1), flows.fragile.s("bad"), flows.add.s(2, 2)]
    result = chain(
        flows.add.s(0, 0), chord([each.set(immutable=True) for each in members], flows.total.s())
    ).delay()
    Stage(app).drain()
    return result


def test_show_writes_the_tree_with_states_and_errors(tq: Tq, sent: Any) -> None:
    lines = tq("-A", "flows", "workflow", "show", sent.id).out.splitlines()
    assert lines[0] == f"{sent.id}: 5 tasks, 2 FAILURE, 3 SUCCESS"
    assert lines[1].startswith("  flows.add  SUCCESS  20")
    assert lines[2].startswith("  side by side  3 tasks, 1 FAILURE, 2 SUCCESS")
    assert [line.split()[:2] for line in lines[3:]] == [
        *(["flows.add", "SUCCESS"], ["flows.fragile", "FAILURE"], ["flows.add", "SUCCESS"]),
        ["flows.total", "FAILURE"],
    ]
    assert "ValueError('bad')" in lines[4]


def test_show_writes_json(tq: Tq, sent: Any) -> None:
    found = json.loads(tq("-A", "flows", "workflow", "show", sent.id, "--json").out)
    assert found["counts"] == {"SUCCESS": 3, "FAILURE": 2}
    first, members, body = found["steps"]
    assert (first["task"], first["state"]) == ("flows.add", "SUCCESS")
    assert [member[0]["error"] for member in members["members"]] == [None, "ValueError('bad')", None]
    assert body["id"] == sent.id


def test_show_writes_dot(tq: Tq, sent: Any) -> None:
    out = tq("-A", "flows", "workflow", "show", sent.id, "--dot").out
    assert out.startswith("digraph workflow {")
    assert out.count("->") == 3 + 3
    assert out.count('fillcolor="salmon"') == 2
    assert f'"{sent.id}" [label="flows.total\\nFAILURE' in out


def test_a_picture_is_drawn_where_graphviz_is_there(tq: Tq, sent: Any, project: Path) -> None:
    ended = tq("-A", "flows", "workflow", "show", sent.id, "--picture", "tree.svg")
    if shutil.which("dot") is None:
        assert ended.status == 1
        assert "apt-get install graphviz" in ended.err
    else:
        assert "<svg" in (project / "tree.svg").read_text()


def test_a_picture_of_a_kind_that_nobody_knows_is_refused(
    tq: Tq, sent: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = project / "dot"
    program.write_text("#!/bin/sh\necho 'Format: \"xyz\" not recognized' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(project), prepend=":")
    ended = tq("-A", "flows", "workflow", "show", sent.id, "--picture", "tree.xyz")
    assert ended.status == 1
    assert "not recognized" in ended.err


def test_many_members_are_cut_to_those_that_need_a_look(tq: Tq, flows: Any) -> None:
    members = [flows.fragile.s("good") for _ in range(30)] + [flows.fragile.s("bad")]
    result = chord(members, flows.total.s()).delay()
    Stage(flows.app).drain()
    out = tq("-A", "flows", "workflow", "show", result.id).out
    assert out.count("flows.fragile") == 20
    assert "ValueError('bad')" in out
    assert "... 11 more (--all)" in out
    assert tq("-A", "flows", "workflow", "show", result.id, "--all").out.count("flows.fragile") == 31


def test_retry_sends_what_failed_again(tq: Tq, flows: Any, sent: Any) -> None:
    flows.broken.clear()
    assert tq("-A", "flows", "workflow", "retry", sent.id, "--failed").out == "sent 1 tasks again\n"
    Stage(flows.app).drain()
    assert flows.app.AsyncResult(sent.id).get(timeout=5) == 7
    assert tq("-A", "flows", "workflow", "retry", sent.id, "--failed").out == "nothing has failed\n"


def test_cancel_revokes_what_waits(tq: Tq, flows: Any) -> None:
    result = chain(flows.add.s(1, 1), flows.add.s(2)).delay()
    revoked = json.loads(tq("-A", "flows", "workflow", "cancel", result.id, "--json").out)["revoked"]
    assert revoked[-1] == result.id and len(revoked) == 2
    Stage(flows.app).drain()
    assert flows.app.workflow(result.id).counts() == {"REVOKED": 2}
