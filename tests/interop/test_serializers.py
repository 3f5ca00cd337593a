"""Messages and results in msgpack, yaml and pickle: what either side writes, the other reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.interop import bodies
from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.interop.values import same
from tests.processes import Program, Workers
from tq import TQ
from tq.plugins import registry

WAIT = 60.0
NAMES = ["msgpack", "yaml", "pickle"]
PLAIN = [None, True, -1, 2**62, 1.5, "größe 🐇", "", b"\x00\xff", [1, [2, []]], {"k": {"a": None}, "": []}]
OWN: dict[str, list[Any]] = {
    "msgpack": [2**64 - 1, {1: "number"}],
    "yaml": [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4, 5, 678), {1, 2}, {1: "number"}],
    "pickle": [(1, 2), {3}, Decimal("1.10"), dt.datetime(2026, 1, 2, tzinfo=dt.UTC)],
}
KOMBU_CANNOT_READ = [{1: "number"}]
"""In msgpack; it writes them."""


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_read_and_write_the_same_bytes(celery: CeleryClient, name: str) -> None:
    ours = registry.load_serializer(name)
    for value in [*PLAIN, *OWN[name]]:
        content_type, encoding, theirs = celery.dumps(value, name)
        assert (content_type, encoding) == (ours.content_type, ours.content_encoding)
        assert same(value, ours.loads(theirs))
        written = ours.dumps(value)
        if name != "pickle":  # of which there are several protocols
            assert written == theirs
        if name != "msgpack" or value not in KOMBU_CANNOT_READ:
            assert same(value, celery.loads(written, content_type, encoding))


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def worker(name: str, workers: Workers) -> Iterator[Program]:
    program = workers.start(accept_content=f"json,{name}", result_serializer=name)
    yield program
    program.stop()


@pytest.mark.usefixtures("worker")
def test_a_celery_client_sends_to_a_tq_worker_and_reads_the_result(celery: CeleryClient, name: str) -> None:
    task_id = celery.send("shop.echo", [{"text": "größe", "bytes": b"\xff"}], serializer=name)
    assert celery.outcome_by(name, task_id) == ("SUCCESS", {"text": "größe", "bytes": b"\xff"})
    failed = celery.send("shop.add", [1, "two"], serializer=name)
    state, text = celery.outcome_by(name, failed)
    assert state == "FAILURE"
    assert text.startswith("TypeError(")


@pytest.fixture
def client(url: str, name: str) -> Iterator[TQ]:
    """A tq client that writes so."""
    app = TQ("client", broker=url, backend=url, set_as_current=False)
    app.conf.update(task_serializer=name, result_serializer=name, accept_content=["json", name])
    bodies.register(app)
    yield app
    app.close()


def test_a_tq_client_sends_to_a_celery_worker_and_reads_the_result(
    start_celery: StartCelery, client: TQ, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQ_TEST_ACCEPT", name)
    monkeypatch.setenv(
        "C_FORCE_ROOT", "1"
    )  # without it Celery refuses pickle to root, whom tests run as in containers
    worker = start_celery("solo")
    result = client.send_task("shop.echo", [{"text": "größe", "bytes": b"\xff"}])
    assert result.get(timeout=WAIT) == {"text": "größe", "bytes": b"\xff"}
    broken = client.send_task("shop.add", [1, "two"])
    with pytest.raises(TypeError):
        broken.get(timeout=WAIT)
    worker.stop()


def test_pickle_that_is_not_accepted_is_not_read(celery: CeleryClient, workers: Workers) -> None:
    program = workers.start("-Q", "careful")
    task_id = celery.send("shop.echo", [1], serializer="pickle", queue="careful")
    # Not by the client that sent: it also hears of results in msgpack, and trips over them.
    state, text = celery.outcome_by("json", task_id)
    assert (state, text.partition("(")[0]) == ("FAILURE", "ContentDisallowed")
    program.stop()
