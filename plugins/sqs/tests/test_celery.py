"""The real Celery 5.7 and tq share a queue of the emulator, in both directions."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.sqs.tests import tq_side
from tests.interop.celery_client import celery_worker_command
from tests.ledger import VARIABLE
from tests.processes import Ledger, Program, Workers, eventually
from tests.processes.program import ROOT, clean_environment
from tests.services.fixtures import unavailable
from tests.services.moto import REGION
from tq import TQ

SIDE = "plugins.sqs.tests.celery_side"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """What ran, and on which side."""
    return Ledger(tmp_path / "ledger.txt")


@pytest.fixture
def python(celery_python: Path) -> Path:
    """A Python with Celery and what it needs for SQS."""
    script = "import boto3, pycurl, kombu.transport.SQS"
    done = subprocess.run([celery_python, "-I", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable(f"{celery_python} lacks celery[sqs]: {done.stderr.strip().splitlines()[-1]}")
    return celery_python


@pytest.fixture
def environment(sqs_url: str, ledger: Ledger) -> dict[str, str]:
    """Celery's. Its URL knows no options."""
    return {
        "TQ_TEST_SQS": sqs_url.partition("?")[0] + "/",
        "AWS_DEFAULT_REGION": REGION,
        VARIABLE: str(ledger.path),
    }


@pytest.fixture
def celery_sends(python: Path, environment: dict[str, str]) -> Callable[..., None]:
    """Let a Celery client send `note` for each of these words."""

    def send(*words: str) -> None:
        subprocess.run(
            [python, "-m", SIDE, *words],
            cwd=ROOT,
            env=clean_environment() | environment,
            check=True,
            timeout=60,
        )

    return send


@pytest.fixture
def start_celery(python: Path, environment: dict[str, str]) -> Iterator[Callable[[], Program]]:
    """Start a Celery worker."""
    started: list[Program] = []

    def start() -> Program:
        command = celery_worker_command(python, "solo", app=f"{SIDE}:app")
        started.append(Program(command, environment))
        started[-1].wait_for(" ready.")
        return started[-1]

    yield start
    for program in started:
        program.close()


@pytest.fixture
def workers(sqs_url: str, ledger: Ledger) -> Iterator[Workers]:
    """Starts tq workers."""
    started = Workers("plugins.sqs.tests.tq_side", sqs_url, "cache+memory://", ledger)
    yield started
    started.close()


@pytest.fixture
def app(sqs_url: str) -> Iterator[TQ]:
    """A tq client."""
    tq_side.app.conf.update(broker_url=sqs_url)
    yield tq_side.app
    tq_side.app.close()


def test_a_tq_worker_runs_what_celery_sent(
    celery_sends: Callable[..., None], workers: Workers, ledger: Ledger
) -> None:
    celery_sends("one", "two")
    workers.start()
    eventually(lambda: sorted(ledger.lines()) == ["tq one", "tq two"], lambda: str(ledger.lines()))


def test_a_celery_worker_runs_what_tq_sent(
    app: TQ, start_celery: Callable[[], Program], ledger: Ledger
) -> None:
    tq_side.note.delay("one")
    tq_side.note.apply_async(("later",), countdown=1)
    start_celery()
    eventually(lambda: sorted(ledger.lines()) == ["celery later", "celery one"], lambda: str(ledger.lines()))


def test_workers_of_both_share_a_queue_and_run_each_task_once(
    app: TQ,
    celery_sends: Callable[..., None],
    start_celery: Callable[[], Program],
    workers: Workers,
    ledger: Ledger,
) -> None:
    start_celery()
    workers.start()
    words = [f"word-{number}" for number in range(40)]
    celery_sends(*words[:20])
    for word in words[20:]:
        tq_side.note.delay(word)
    eventually(lambda: len(ledger.lines()) >= len(words), lambda: str(ledger.lines()))
    assert sorted(line.split()[1] for line in ledger.lines()) == sorted(words)
