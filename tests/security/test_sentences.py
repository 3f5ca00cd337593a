"""The rest of SECURITY.md: its tables are true, nothing listens, names are no SQL, code of messages is no task."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers, eventually
from tests.project import ROOT
from tq import TQ
from tq.config import Settings
from tq.errors import NotRegistered
from tq.records import Envelope, Message
from tq.wire.ids import new_id

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
ODD = "q'; DROP TABLE tq_messages; --\"`\\ %s :x ?"


def test_the_files_that_the_page_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
    ours = {f"tests/security/{file.name}" for file in Path(__file__).parent.glob("test_*.py")}
    assert ours <= set(named)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_defaults_that_the_page_tells_are_the_defaults() -> None:
    conf = Settings(files=False, environ={})
    assert list(conf.accept_content) == ["json"]
    assert conf.result_accept_content is None
    assert conf.message_size_limit == 64 * 1024 * 1024
    assert conf.result_extended is False
    assert conf.worker_max_attempts == 3


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[TQ, int]]:
    """A client, and the process id of its worker."""
    url = f"sqlite:///{tmp_path}/tq.db"
    workers = Workers("tests.e2e.tasks", url, url, Ledger(tmp_path / "ledger.txt"))
    try:
        program = workers.start("-c", "1", pool="prefork")
        with connected(url, url) as client:
            yield client, program.pid
    finally:
        workers.close()


def _group(leader: int) -> list[int]:
    """The processes of a group, on Linux."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == leader:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_opens_no_port(app: tuple[TQ, int]) -> None:
    client, leader = app
    assert client.send_task("tests.e2e.tasks.add", [1, 2]).get(timeout=60) == 3
    pids = _group(leader)
    assert len(pids) > 1, "the worker and its child"
    listening = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    assert listening.isdisjoint(inode for pid in pids for inode in _sockets(pid))


def _sockets(pid: int) -> set[str]:
    links = (str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    return {link[8:-1] for link in links if link.startswith("socket:[")}


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen", "tests.e2e.tasks.app"])
def test_a_message_names_tasks_and_nothing_else(app: tuple[TQ, int], name: str, tmp_path: Path) -> None:
    client, _ = app
    canary = tmp_path / "canary"
    result = client.send_task(name, [f"touch '{canary}'"])
    with pytest.raises(NotRegistered):
        result.get(timeout=60)
    assert not canary.exists()


@pytest.mark.parametrize("store", ["sqlite", "postgres_url", "mariadb_url"])
def test_names_are_values_and_never_sql(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tq.db" if store == "sqlite" else str(request.getfixturevalue(store))
    app = TQ("security", broker=url, backend=url, set_as_current=False)
    message = Message({"task": ODD, "id": ODD}, {}, b"[[],{},{}]")
    assert list(app.broker.publish([Envelope(message, ODD, unique=True)], timeout=10)) == [None]
    consumer = app.broker.consumer([ODD], new_id(), lease=5.0)
    (delivery,) = consumer.receive(1, 5.0)
    assert isinstance(delivery.message, Message)
    assert (delivery.queue, delivery.message.headers["id"]) == (ODD, ODD)
    consumer.close()
    eventually(lambda: app.broker.stats(ODD).ready == 1, "the message back in its queue")
    assert app.broker.purge(ODD) == 1
    assert app.AsyncResult(ODD).state == "PENDING"
    app.close()
