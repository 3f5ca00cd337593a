"""A password in a URL is in no line that any program writes, right or wrong, and in no error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Program, Workers, eventually
from tests.services.redis import RedisServer
from tq import TQ, TQError

PASSWORD = "correct-h@rse/b%ttery"
FORMS = (
    PASSWORD,
    quote(PASSWORD, safe=""),
    quote(PASSWORD),
    PASSWORD.partition("@")[0],
    "b%ttery",
    "b%25ttery",
)
"""As it is, as URLs spell it, and the parts that a careless mask leaves."""
STORES = ["redis", "rediss", "sentinel", "postgresql", "mysql", "sqlite"]


def shows_nothing(text: str) -> None:
    assert [form for form in FORMS if form in text] == []


def with_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://nobody:{quote(PASSWORD, safe='')}@{rest.rpartition('@')[2]}"


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that refuses this user and password."""
    if request.param in ("redis", "rediss", "sentinel"):
        server: Callable[..., RedisServer] = request.getfixturevalue("redis_server")
        return with_password(server("requirepass other").url.replace("redis", request.param, 1))
    if request.param == "sqlite":
        return f"sqlite://nobody:{quote(PASSWORD, safe='')}@/{tmp_path}/none/tq.db"
    name = {"postgresql": "postgres_url", "mysql": "mariadb_url"}[request.param]
    found: str = request.getfixturevalue(name)
    return with_password(found)


@pytest.fixture
def workers(url: str, tmp_path: Path) -> Iterator[Workers]:
    started = Workers("tests.e2e.tasks", url, url, Ledger(tmp_path / "ledger.txt"))
    yield started
    started.close()


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_worker_that_may_not_connect_does_not_show_it(workers: Workers, pool: str) -> None:
    program = workers.start("-l", "DEBUG", pool=pool, ready=False)
    eventually(
        lambda: not program.running or "nobody:**@" in program.output() or "trying again" in program.output(),
        lambda: f"a word about the broker:\n{program.output()}",
    )
    shows_nothing(program.output())


@pytest.mark.parametrize(
    "command", ["status", "report", "purge -f", "call tests.e2e.tasks.pid", "dead list", "result x"]
)
def test_no_command_shows_it(url: str, command: str) -> None:
    words = [sys.executable, "-m", "tq", "-A", "tests.e2e.tasks", "-b", url, "--result-backend", url]
    program = Program([*words, *command.split()], {"TQ_BROKER_PUBLISH_TIMEOUT": "2"})
    try:
        eventually(lambda: not program.running, lambda: f"the end of tq {command}:\n{program.output()}")
        shows_nothing(program.output())
        assert program.output()
    finally:
        program.close()


def test_no_error_of_a_client_shows_it(url: str) -> None:
    with connected(url, url, publish_timeout=1.0) as app:
        for action in ACTIONS:
            try:
                action(app)
            except TQError as exc:
                shows_nothing("".join(traceback.format_exception(exc)))
                shows_nothing(repr(exc))


def test_neither_app_nor_broker_nor_backend_nor_settings_show_it(url: str) -> None:
    app = TQ("security", broker=url, backend=url, set_as_current=False)
    shows_nothing(repr([app, app.conf, app.conf.explain()]))
    try:
        shows_nothing(repr([app.broker, app.backend, vars(app)]))
    except TQError as exc:
        shows_nothing("".join(traceback.format_exception(exc)))


ACTIONS: list[Callable[[TQ], object]] = [
    lambda app: tasks.pid.delay(),
    lambda app: tasks.pid.apply_async(retry=False),
    lambda app: app.broker.stats("celery"),
    lambda app: app.broker.consumer(["celery"], "c1", lease=2.0),
    lambda app: app.AsyncResult("x").state,
    lambda app: app.AsyncResult("x").get(timeout=0.5),
]
