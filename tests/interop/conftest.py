"""Both parties. The server is emptied once per module: a running worker must find what it left there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop import bodies
from tests.interop.celery_client import CeleryClient, celery_environment, celery_worker_command
from tests.ledger import VARIABLE
from tests.processes import Ledger, Program, Workers
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer
from tq import TQ

StartCelery = Callable[..., Program]


on_each_broker = pytest.mark.parametrize("url", ["redis", "rabbitmq"], indirect=True, scope="module")
"""For tests, or whole files, that are about more than Redis; results lie in Redis all the same."""


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest, shared_redis: RedisServer) -> Iterator[str]:
    """Where both parties meet: Redis, or what `on_each_broker` says."""
    shared_redis.flush()
    if getattr(request, "param", "redis") == "redis":
        yield shared_redis.url
        return
    rabbitmq: RabbitmqServer = request.getfixturevalue("shared_rabbitmq")
    vhost = rabbitmq.new_vhost()
    yield rabbitmq.url_of(vhost)
    rabbitmq.drop_vhost(vhost)


@pytest.fixture(scope="module")
def backend(shared_redis: RedisServer) -> str:
    """Where both parties leave results."""
    return shared_redis.url


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Where tasks of both sides write what ran."""
    return Ledger(tmp_path_factory.mktemp("ledger") / "ledger.txt")


@pytest.fixture(scope="module")
def celery(celery_python: Path, url: str, backend: str) -> Iterator[CeleryClient]:
    """A Celery client of one file's tests: it hears of all results that it ever asked for, in any serializer."""
    client = CeleryClient(celery_python, url, backend)
    yield client
    client.close()


@pytest.fixture(scope="module")
def tq(url: str, backend: str) -> Iterator[TQ]:
    """A tq client with the tasks of both sides."""
    app = TQ("client", broker=url, backend=backend, set_as_current=False)
    bodies.register(app)
    yield app
    app.close()


@pytest.fixture(scope="module")
def workers(url: str, backend: str, ledger: Ledger) -> Iterator[Workers]:
    """Starts tq workers."""
    started = Workers("tests.interop.tq_side", url, backend, ledger)
    yield started
    started.close()


@pytest.fixture(scope="module")
def start_monitor(celery_python: Path, url: str, backend: str) -> Iterator[StartCelery]:
    """Starts another command of Celery's: `start_monitor("events", "--dump")`."""
    started: list[Program] = []

    def start(*words: str) -> Program:
        environment = {"PYTHONUNBUFFERED": "1", "FLOWER_UNAUTHENTICATED_API": "true"}
        program = Program(
            [os.fspath(celery_python), "-m", "celery", "-A", "tests.interop.celery_side:app", *words],
            celery_environment(url, backend) | environment,
        )
        started.append(program)
        return program

    yield start
    for program in started:
        program.close()


@pytest.fixture(scope="module")
def start_celery(celery_python: Path, url: str, backend: str, ledger: Ledger) -> Iterator[StartCelery]:
    """Starts Celery workers: `start_celery("solo")`."""
    started: list[Program] = []

    def start(pool: str = "solo", *more: str) -> Program:
        environment = celery_environment(url, backend) | {VARIABLE: str(ledger.path)}
        program = Program(celery_worker_command(celery_python, pool, *more), environment)
        started.append(program)
        program.wait_for(" ready.")
        return program

    yield start
    for program in started:
        program.close()
