"""The servers of the tests start, keep their data as promised, and leave nothing behind."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.services import SERVICES, Server, ServiceFailed, ServiceMissing, free_port, require
from tests.services.catalog import Service
from tests.services.mariadb import MariadbServer
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer
from tq.testing.waiting import eventually

ROOT = Path(__file__).parents[2]


def test_a_redis_server_keeps_port_and_data_over_a_kill_when_appendonly(
    redis_server: Callable[..., RedisServer],
) -> None:
    server = redis_server("appendfsync always", appendonly=True)
    url = server.url
    server.ask("SET", "k", "v")
    server.kill()
    assert not server.listens()
    server.start()
    assert server.url == url
    assert server.ask("GET", "k") == "$1\r\nv\r\n"


def test_a_frozen_server_accepts_and_does_not_answer(redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server()
    server.freeze()
    assert server.listens()
    with pytest.raises(TimeoutError):
        server.ask("PING", timeout=0.2)
    server.thaw()
    assert server.answers()


# Two threads: the signal is for one of them, which stops the other as soon as it runs.
_PRINTS = """
import os, threading, time
def prints():
    while True:
        os.write(1, b"here\\n")
threading.Thread(target=prints).start()
time.sleep(1000)
"""


class Chatter(Server):
    """A server whose first process waits for another one, which prints all the time, as RabbitMQ's shell and node do."""

    name = "chatter"
    url = "chatter://"

    def command(self) -> list[str | Path]:
        return ["sh", "-c", '"$1" -c "$2" & wait', "chatter", sys.executable, _PRINTS]

    def answers(self) -> bool:
        return "here" in self.output()


def test_all_processes_of_a_frozen_server_stand_still() -> None:
    with closing(Chatter()) as server:
        server.start()
        printed = server.folder / "output.txt"
        for _ in range(20):
            server.freeze()
            size = printed.stat().st_size
            time.sleep(0.02)
            assert printed.stat().st_size == size
            server.thaw()
            eventually(partial(grown, printed, size), "it goes on")


def grown(file: Path, size: int) -> bool:
    return file.stat().st_size > size


def test_each_test_gets_an_empty_redis(shared_redis: RedisServer, redis_url: str) -> None:
    shared_redis.ask("SET", "left", "over")
    shared_redis.flush()
    assert shared_redis.ask("DBSIZE") == ":0\r\n"
    assert redis_url == shared_redis.url


def test_a_server_that_cannot_start_says_what_it_printed(redis_server: Callable[..., RedisServer]) -> None:
    with pytest.raises(ServiceFailed, match="no-such-directive"):
        redis_server("no-such-directive 1")


def test_a_postgres_server_survives_a_kill_and_a_restart(
    postgres_server: Callable[..., PostgresServer],
) -> None:
    server = postgres_server("fsync = on")
    name = server.new_database()
    server.kill()
    server.start()
    server.drop_database(name)
    server.restart()
    assert server.answers()


def test_a_mariadb_server_survives_a_kill(mariadb_server: Callable[..., MariadbServer]) -> None:
    server = mariadb_server()
    name = server.new_database()
    server.kill()
    server.start()
    assert name in server.url_of(name)
    assert server.answers()


def test_a_rabbitmq_node_keeps_its_virtual_hosts_over_a_kill_and_a_stop(
    rabbitmq_server: Callable[..., RabbitmqServer],
) -> None:
    server = rabbitmq_server()
    name = server.new_vhost()
    server.kill()
    server.start()
    server.restart()
    server.drop_vhost(name)
    assert server.answers()


def test_each_test_gets_its_own_virtual_host(shared_rabbitmq: RabbitmqServer, rabbitmq_url: str) -> None:
    assert rabbitmq_url != shared_rabbitmq.url_of(shared_rabbitmq.new_vhost())


def test_each_test_gets_its_own_database(shared_postgres: PostgresServer, postgres_url: str) -> None:
    assert postgres_url != shared_postgres.url_of(shared_postgres.new_database())


def test_a_killed_test_run_leaves_no_server_and_no_folder(tmp_path: Path) -> None:
    if not _installed("redis"):
        pytest.skip(SERVICES["redis"].hint())
    script = (
        "import time; from tests.services.redis import RedisServer; s = RedisServer(); s.start();"
        "print(s.port, s.folder, flush=True); time.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    port, folder = run.stdout.readline().split()
    run.kill()
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (_listens(int(port)) or Path(folder).exists()):
        time.sleep(0.05)
    assert not _listens(int(port))
    assert not Path(folder).exists()


def test_a_closed_server_leaves_no_folder(redis_server: Callable[..., RedisServer]) -> None:
    server: Server = redis_server()
    server.close()
    assert not server.folder.exists()
    assert not server.running


def test_a_missing_program_is_told_with_the_command_that_installs_it() -> None:
    service = Service("thing", ("no-such-program",), ("/no/such/place/*",), ("thing-server",), ("thing",))
    with pytest.raises(
        ServiceMissing, match=r"no no-such-program found; install thing with: .*install.* thing"
    ):
        service.find()


def test_the_newest_version_in_the_usual_places_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "14"):
        program = tmp_path / version / "bin" / "tq-test-program"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    service = Service("thing", ("tq-test-program",), (f"{tmp_path}/*/bin",), (), ())
    assert service.find()["tq-test-program"] == tmp_path / "15" / "bin" / "tq-test-program"


def test_free_ports_are_free_and_differ() -> None:
    assert len({free_port() for _ in range(20)}) > 1


def _installed(name: str) -> bool:
    try:
        require(name)
    except ServiceMissing:
        return False
    return True


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
