"""What servers do: restart, forget, refuse, ask for passwords."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymemcache.client.base import Client

from plugins.memcache.tests.conftest import NewBackend
from tests.processes import Program, eventually
from tests.services.catalog import require
from tests.services.memcached import MemcachedServer
from tq.errors import BackendError, BackendUnavailable
from tq.records import TaskMeta
from tq.testing.result_kit import success
from tq_memcache import MemcacheBackend

NewServer = Callable[..., MemcachedServer]
LARGE = "x" * 2_000_000


def raw(server: MemcachedServer) -> Any:
    """The server as any other program sees it."""
    return Client(("127.0.0.1", server.port), default_noreply=False)


def test_a_backend_goes_on_after_a_restart_that_forgot_all(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    server = memcached_server()
    backend = backend_at(server.url)
    backend.store([success("a", 1)])
    server.stop()
    with pytest.raises(BackendUnavailable, match="no connection to memcached at memcache://127.0.0.1"):
        backend.get(["a"])
    server.start()
    assert backend.get(["a"]) == {}
    backend.store([TaskMeta("a", "STARTED"), success("b", 2)])
    assert set(backend.get(["a", "b"])) == {"a", "b"}


def test_connections_that_died_while_idle_are_not_noticed(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    server = memcached_server()
    backend = backend_at(server.url)
    backend.store([success("a", 1)])
    server.restart()
    backend.store([success("a", 2)])
    assert backend.get(["a"])["a"].result == 2


def test_a_server_that_does_not_answer_is_given_up(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    server = memcached_server()
    backend = backend_at(server.url, timeout=0.3)
    server.freeze()
    with pytest.raises(BackendUnavailable, match="timed out"):
        backend.get(["a"])
    server.thaw()
    assert backend.get(["a"]) == {}


def test_one_server_of_three_that_is_gone_takes_its_keys_alone(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    servers = [memcached_server() for _ in range(3)]
    backend = backend_at("memcache://" + ",".join(f"127.0.0.1:{server.port}" for server in servers) + "/")
    ids = [f"task-{number}" for number in range(60)]
    backend.store([success(task_id, 1) for task_id in ids])
    servers[1].stop()
    lost = 0
    for task_id in ids:
        try:
            assert backend.get([task_id])[task_id].result == 1
        except BackendUnavailable:
            lost += 1
    assert 0 < lost < 60


def test_results_are_spread_over_all_servers(
    ring: list[MemcachedServer], ring_url: str, backend_at: NewBackend
) -> None:
    backend_at(ring_url).store([success(f"task-{number}", 1) for number in range(60)])
    assert all(int(raw(server).stats()[b"curr_items"]) > 5 for server in ring)


def test_a_result_that_is_too_large_is_refused_by_the_name_of_its_task(backend: MemcacheBackend) -> None:
    for status in ("SUCCESS", "PROGRESS"):
        with pytest.raises(
            BackendError, match=r"task big has 20000\d\d bytes.*greater -I, or set the option 'comp"
        ):
            backend.store([TaskMeta("small", status, 1), TaskMeta("big", status, LARGE)])
    assert backend.get(["big"]) == {}


def test_a_server_that_keeps_larger_values_is_given_them(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    backend = backend_at(memcached_server("-I", "4m").url)
    backend.store([success("big", LARGE)])
    assert backend.get(["big"])["big"].result == LARGE


@pytest.mark.parametrize("method", ["zlib", "bzip2", "lzma"])
def test_a_large_result_may_be_compressed(memcached_url: str, backend_at: NewBackend, method: str) -> None:
    backend_at(memcached_url, compression=method).store([success("big", LARGE), success("small", 1)])
    found = backend_at(memcached_url).get(["big", "small"])
    assert (found["big"].result, found["small"].result) == (LARGE, 1)


def test_success_is_final_also_when_it_was_compressed(memcached_url: str, backend_at: NewBackend) -> None:
    backend = backend_at(memcached_url, compression="zlib", compress_from=1)
    backend.store([success("a", 1)])
    backend.store([TaskMeta("a", "FAILURE")])
    assert backend.get(["a"])["a"].status == "SUCCESS"


def test_a_result_that_lives_longer_than_thirty_days_is_there_now(
    memcached_url: str, backend_at: NewBackend
) -> None:
    backend = backend_at(memcached_url, expires=40 * 86400)
    backend.store([success("a", 1), TaskMeta("b", "STARTED")])
    assert set(backend.get(["a", "b"])) == {"a", "b"}


def test_a_full_server_forgets_the_oldest_and_goes_on(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    backend = backend_at(memcached_server("-m", "4").url)
    ids = [f"task-{number}" for number in range(600)]
    backend.store([success(task_id, "x" * 20_000) for task_id in ids])
    kept = set(backend.get(ids))
    assert ids[-1] in kept
    assert 0 < len(kept) < len(ids)


def test_prefixes_keep_apps_apart(
    shared_memcached: MemcachedServer, memcached_url: str, backend_at: NewBackend
) -> None:
    backend_at(memcached_url, key_prefix="a:").store([success("t", 1)])
    backend_at(memcached_url, global_keyprefix="b").store([success("t", 2)])
    assert backend_at(memcached_url).get(["t"]) == {}
    client = raw(shared_memcached)
    assert client.get("a:celery-task-meta-t") is not None
    assert client.get("b_celery-task-meta-t") is not None
    assert backend_at(memcached_url, key_prefix="a:").get(["t"])["t"].result == 1


def test_a_user_logs_in_and_a_wrong_password_is_told(
    memcached_server: NewServer, backend_at: NewBackend
) -> None:
    server = memcached_server("-Y", "{folder}/users.txt")
    place = f"127.0.0.1:{server.port}/"
    good = backend_at(f"memcache://me:right@{place}")
    good.store([success("a", 1)])
    assert good.wait(["a"], 5)["a"].result == 1
    with pytest.raises(
        BackendError, match=r"memcache://me:\*\*@.*does not accept this user and password"
    ) as caught:
        backend_at(f"memcache://me:wr0ng@{place}").get(["a"])
    assert "wr0ng" not in str(caught.value)
    stranger = backend_at(f"memcache://{place}")
    for call in (lambda: stranger.get(["a"]), lambda: stranger.store([success("a", 1)])):
        with pytest.raises(BackendError, match="asks for a password; write it into the URL"):
            call()


def test_a_unix_socket_is_reached(
    backend_at: NewBackend, shared_memcached: MemcachedServer, tmp_path: Path
) -> None:
    path = tmp_path / "mem.sock"
    with pytest.raises(BackendUnavailable, match="mem.sock"):
        backend_at(f"memcache://{path}").get(["a"])
    program = Program([require("memcached")["memcached"], "-u", "root", "-s", path])
    try:
        eventually(path.exists, "memcached to listen")
        backend = backend_at(f"memcache://{path}")
        backend.store([success("a", 1)])
        assert backend.get(["a"])["a"].result == 1
    finally:
        program.close()


def test_what_is_no_memcached_is_told(redis_server: Callable[..., Any], backend_at: NewBackend) -> None:
    port = redis_server().port
    with pytest.raises(BackendError, match="no memcached"):
        backend_at(f"memcache://127.0.0.1:{port}/").get(["a"])


def test_a_document_that_is_none_is_an_error_that_names_the_task(
    shared_memcached: MemcachedServer, backend: MemcacheBackend
) -> None:
    raw(shared_memcached).set("celery-task-meta-odd", b"\x80\x04N.")
    for call in (lambda: backend.get(["odd"]), lambda: backend.store([TaskMeta("odd", "STARTED")])):
        with pytest.raises(BackendError, match="odd"):
            call()
