"""The ways to reach a server: unix socket, TLS, users with few rights, sentinels; and what a server refuses."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.services.certificates import make_certificates
from tests.services.ports import free_port
from tests.services.redis import RedisServer
from tq import TQ
from tq.errors import (
    BackendError,
    BackendUnavailable,
    BrokerError,
    BrokerUnavailable,
    ImproperlyConfigured,
    PublishError,
)
from tq.options import mask_url, parse_options
from tq.records import Action, Channel, Message, Notice, Revocation, Settlement, TaskMeta
from tq.testing.broker_kit import BrokerKit, beat, envelope, ids, settle
from tq.testing.worker import running_worker
from tq.wire.json import JsonSerializer
from tq_redis import RedisBackend, RedisBroker
from tq_redis.address import Address, read_address
from tq_redis.options import BrokerOptions

if TYPE_CHECKING:
    from tests.services.kits import NewKit

NewServer = Callable[..., RedisServer]


def exercise(kit: BrokerKit, backend: RedisBackend | None = None) -> None:
    """All that a broker and a backend do."""
    broker = kit.broker()
    kit.send(broker, "q", "a", "b", "c", "d")
    kit.send(broker, "q", "urgent", priority=9)
    kit.send(broker, "q", "later", delay=0.01, unique=True)
    consumer = kit.consumer(broker, "q", lease=30)
    taken = {task: d for d in kit.take(consumer, 6) for task in ids([d])}
    assert beat(broker, consumer, 30, [taken["a"]])
    assert len(broker.held(consumer.id, [int(taken["a"].receipt)])) == 1
    settle(consumer, [taken["a"]], publish=(envelope("q", "next"),))
    settle(consumer, [taken["b"]], Action.REQUEUE, delay=60)
    settle(consumer, [taken["c"]], Action.DEAD, reason="bad")
    assert broker.stats("q").dead == 1
    assert broker.requeue_dead("q", [letter.id for letter in broker.dead_letters("q")]) == 1
    assert list(broker.maintain(["q"])) == []
    consumer.close()
    other = kit.consumer(broker, "q")
    assert list(other.receive(0, 0)) == []
    assert len(kit.take(other, 5)) == 5
    assert kit.rest(other) == []
    assert broker.purge("q") == 1
    broker.revoke([Revocation("a")], expires=60)
    assert Revocation("a") in broker.revoked(0)[1]
    if backend:
        backend.store([TaskMeta("t", "STARTED"), TaskMeta("u", "SUCCESS", 1)])
        assert set(backend.get(["t", "u"])) == {"t", "u"}
        assert set(backend.wait(["t", "u"], 5)) == {"u"}
        backend.forget(["t", "u"])
        backend.close()


def results(url: str, **options: Any) -> RedisBackend:
    """A backend on that server."""
    return RedisBackend(url, options, serializer=JsonSerializer())


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with ca.pem, and server.pem and server.key for 127.0.0.1."""
    return make_certificates(tmp_path)


@pytest.fixture
def tls_port(certificates: Path, redis_server: NewServer) -> int:
    """The port of a server that speaks TLS."""
    port = free_port()
    files = {"cert": "server.pem", "key": "server.key", "ca-cert": "ca.pem"}
    lines = [f"tls-{name}-file {certificates / file}" for name, file in files.items()]
    redis_server(f"tls-port {port}", "tls-auth-clients no", *lines)
    return port


def test_unix_sockets_work_under_both_names(redis_server: NewServer, new_kit: NewKit) -> None:
    server = redis_server("unixsocket {folder}/redis.sock")
    path = server.folder / "redis.sock"
    exercise(new_kit(f"redis+socket://{path}?virtual_host=2"), results(f"unix://{path}?db=2"))
    assert redis.Redis(port=server.port, db=2).dbsize()
    with pytest.raises(BrokerUnavailable, match="no connection to Redis at unix:///nowhere"):
        RedisBroker("unix:///nowhere/redis.sock").publish([envelope("q", "a")], timeout=1)


def test_tls_works_with_the_authority_given(tls_port: int, certificates: Path, new_kit: NewKit) -> None:
    url, options = f"rediss://127.0.0.1:{tls_port}/0", {"ssl_ca_certs": str(certificates / "ca.pem")}
    exercise(new_kit(url, **options), results(url, **options))
    exercise(new_kit(f"{url[:-1]}1?ssl_cert_reqs=CERT_NONE"))


def test_tls_works_as_celerys_settings_ask_for_it(tls_port: int, certificates: Path) -> None:
    trusted = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": str(certificates / "ca.pem")}
    url = f"redis://127.0.0.1:{tls_port}/0"
    how: dict[str, Any] = {
        "broker_use_ssl": trusted,
        "redis_backend_use_ssl": {"ssl_cert_reqs": ssl.CERT_NONE},
    }
    with TQ("shop", broker=url, backend=url, set_as_current=False, **how) as app:
        app.task(name="shop.note")(lambda word: word)
        with running_worker(app):
            assert app.send_task("shop.note", ["over TLS"]).get(timeout=30) == "over TLS"


def test_tls_refuses_a_server_that_nobody_vouches_for(tls_port: int) -> None:
    with pytest.raises(BrokerUnavailable, match="(?i)certificate"):
        RedisBroker(f"rediss://127.0.0.1:{tls_port}/0").publish([envelope("q", "a")], timeout=5)


def test_a_user_needs_no_more_rights_than_the_readme_lists(redis_server: NewServer, new_kit: NewKit) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    (rule,) = [line.strip() for line in readme.splitlines() if line.strip().startswith("ACL SETUSER tq ")]
    rule = rule.removeprefix("ACL SETUSER tq ").replace("~celery* ", "~q* ").replace("PASSWORD", "s3cret")
    server = redis_server(f"user tq {rule}")
    url = server.url.replace("//", "//tq:s3cret@")
    exercise(new_kit(url), results(url))
    kit = new_kit(url)
    broker = kit.broker()
    for channel, key in (
        (Channel("celery.pidbox"), ""),
        (Channel("celeryev", "topic"), "task.sent"),
        (Channel("reply.celery.pidbox", "direct"), "me"),
    ):
        listener = kit.listen(broker, channel, "#" if channel.kind == "topic" else key)
        notice = Notice(channel, Message({}, {}, b"x"), key)
        assert list(broker.announce([notice], timeout=5)) == [None]
        assert len(kit.hear(listener, 1)) == 1
        listener.close()


class Sentinel(RedisServer):
    """A sentinel; it writes its own configuration."""

    def prepare(self) -> None:
        self._config.write_text("\n".join([f"port {self.port}", f"dir {self.folder}", *self._lines]) + "\n")

    def command(self) -> list[str | Path]:
        return [*super().command(), "--sentinel"]


@pytest.fixture
def new_sentinel(redis_server: NewServer) -> Iterator[Callable[..., Sentinel]]:
    """Make started sentinels."""
    made: list[Sentinel] = []

    def make(*lines: str) -> Sentinel:
        made.append(Sentinel(*lines))
        made[-1].start()
        return made[-1]

    yield make
    for sentinel in made:
        sentinel.close()


def test_sentinels_name_the_master_and_the_next_one(
    redis_server: NewServer, new_sentinel: Callable[..., Sentinel], new_kit: NewKit
) -> None:
    master = redis_server("repl-diskless-sync-delay 0")
    replica = redis_server(f"replicaof 127.0.0.1 {master.port}")
    # A sentinel asks at its start and then every ten seconds.
    while "state=online" not in master.ask("INFO", "replication"):
        time.sleep(0.05)
    times = ["sentinel down-after-milliseconds shop 300", "sentinel failover-timeout shop 2000"]
    sentinel = new_sentinel(f"sentinel monitor shop 127.0.0.1 {master.port} 1", *times)
    url = f"sentinel://127.0.0.1:{free_port()};127.0.0.1:{sentinel.port}/0?master_name=shop"
    kit = new_kit(url, sentinel_kwargs={"socket_timeout": 1})
    exercise(kit, results(url))
    broker = kit.broker()
    kit.send(broker, "s", "before")
    consumer = kit.consumer(broker, "s")
    taken = kit.take(consumer, 1)
    client = redis.Redis(port=replica.port)
    kit.eventually(lambda: client.hlen(f"tq:{{s}}:inflight:{consumer.id}"), "the replica has all")
    asked: Any = redis.Redis(port=sentinel.port)
    kit.patience = 30
    kit.eventually(lambda: asked.execute_command("SENTINEL", "REPLICAS", "shop"), "the sentinel knows it")
    master.kill()
    assert list(kit.survive(lambda: consumer.settle([Settlement(taken[0])]))) == [True]
    kit.survive(lambda: kit.send(broker, "s", "after"))
    assert ids(kit.take(consumer, 1)) == ["after"]


def test_an_unknown_master_is_named(new_sentinel: Callable[..., Sentinel]) -> None:
    sentinel = new_sentinel()
    broker = RedisBroker(f"sentinel://127.0.0.1:{sentinel.port}", {"master_name": "nosuch"})
    with pytest.raises(BrokerUnavailable, match="no sentinel knows a master named 'nosuch'"):
        broker.publish([envelope("q", "a")], timeout=2)
    with pytest.raises(ImproperlyConfigured, match="master_name"):
        RedisBroker("sentinel://localhost")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address("tcp", (("localhost", 6379),))),
        ("redis://h/3", Address("tcp", (("h", 6379),), db=3)),
        ("redis://u:p%40%2F@h:1/", Address("tcp", (("h", 1),), username="u", password="p@/")),
        ("redis://:p@[::1]:2/4", Address("tcp", (("::1", 2),), db=4, password="p")),
        ("rediss://h?db=5", Address("tls", (("h", 6379),), db=5)),
        ("unix:///a%20b?db=1", Address("unix", path="/a b", db=1)),
        (
            "redis+socket://u:p@/a?virtual_host=2",
            Address("unix", path="/a", db=2, username="u", password="p"),
        ),
    ],
)
def test_urls_are_read(url: str, address: Address) -> None:
    assert read_address(url, parse_options(BrokerOptions, url, {})) == address


@pytest.mark.parametrize(
    "url", ["sentinel://:p@a:1;sentinel://:p@b:2/3", "sentinel://:p@a:1;b:2/3", "sentinel://:p@a:1/3;b:2/3"]
)
def test_sentinel_urls_are_read(url: str) -> None:
    address = read_address(url, BrokerOptions(master_name="m"))
    assert address == Address("sentinel", (("a", 1), ("b", 2)), db=3, password="p", master_name="m")


@pytest.mark.parametrize("url", ["redis://h:x/0", "redis://h/db", "unix://", "http://h", "unix://relative"])
def test_bad_urls_are_refused_at_once(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        RedisBroker(url)


def test_every_password_of_a_url_is_masked() -> None:
    masked = mask_url("sentinel://u:one@a:1;sentinel://:two@b:2/0")
    assert "one" not in masked
    assert "two" not in masked


REFUSALS = [
    ("requirepass pw", "", False, "asks for a password"),
    ("requirepass pw", ":wr0ng@", False, "does not accept this user and password"),
    ("user u on >p ~other +@all", "u:p@", False, "forbids this to the user"),
    ("replicaof 127.0.0.1 1", "", True, "is a read-only replica"),
    ("rename-command EVALSHA nothing", "", False, "lacks a command .* upgrade it to 6.2 or newer"),
]


@pytest.mark.parametrize(("line", "user", "temporary", "sentence"), REFUSALS)
def test_what_a_server_refuses_is_told_with_the_next_step(
    redis_server: NewServer, line: str, user: str, temporary: bool, sentence: str
) -> None:
    url = redis_server(line).url.replace("//", f"//{user}")
    with pytest.raises(BrokerError, match=sentence) as told:
        RedisBroker(url).consumer(["q"], "c", lease=1)
    assert isinstance(told.value, BrokerUnavailable) == temporary
    assert "cannot register consumer c: Redis at redis://" in str(told.value)
    assert "wr0ng" not in str(told.value)
    backend = results(url)
    with pytest.raises(BackendError, match=sentence) as untold:
        backend.store([TaskMeta("a", "FAILURE")])
    assert isinstance(untold.value, BackendUnavailable) == temporary


def test_a_refused_publish_says_why(redis_server: NewServer) -> None:
    broker = RedisBroker(redis_server("replicaof 127.0.0.1 1").url)
    (answer,) = broker.publish([envelope("q", "a")], timeout=5)
    assert isinstance(answer, PublishError)
    assert "cannot publish to queue 'q': Redis at redis://127.0.0.1" in str(answer)
    assert "use sentinel://" in str(answer)


def test_a_server_without_memory_refuses_new_work_and_lets_old_work_finish(
    redis_server: NewServer, new_kit: NewKit
) -> None:
    server = redis_server("maxmemory 6mb", "maxmemory-policy noeviction")
    kit = new_kit(server.url)
    broker = kit.broker()
    kit.send(broker, "q", *(str(number) for number in range(50)))
    answer: Any = None
    while answer is None:
        (answer,) = broker.publish([envelope("q", "big", body=b"x" * 100_000)], timeout=5)
    assert isinstance(answer, PublishError)
    assert "is out of memory; raise its maxmemory" in str(answer)
    consumer = kit.consumer(broker, "q")
    assert beat(broker, consumer, 60)
    taken = kit.take(consumer, 50)
    assert all(settle(consumer, taken))
    while batch := consumer.receive(100, 0):
        assert all(settle(consumer, batch))
    assert broker.stats("q").ready == 0
    assert broker.publish([envelope("q", "again")], timeout=5) == [None]


def test_a_key_of_another_kind_is_named_for_its_message_only(kit: BrokerKit, raw: redis.Redis) -> None:
    raw.set("taken", "text")
    broker = kit.broker()
    answer = broker.publish([envelope("q", "a"), envelope("taken", "b")], timeout=5)
    assert answer[0] is None
    assert isinstance(answer[1], PublishError)
    assert "cannot publish to queue 'taken'" in str(answer[1])


def test_max_connections_bounds_what_threads_open(new_kit: NewKit, redis_url: str, raw: redis.Redis) -> None:
    broker = new_kit(redis_url, max_connections=2, client_name="bounded").broker()
    threads = [
        threading.Thread(target=lambda: [broker.publish([envelope("q", "a")], timeout=10) for _ in range(30)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raw.llen("q") == 240
    assert len([c for c in raw.client_list() if c["name"] == "bounded"]) <= 2
