"""What a worker shows of itself to those who watch it, on real servers and in real processes."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

from tests.processes import Ledger, Workers
from tests.processes.eventually import eventually
from tests.services.redis import RedisServer


def ask(port: int, path: str) -> int:
    """The status of a page of the health endpoint."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def test_a_worker_is_ready_only_while_its_broker_is_there(
    redis_server: Callable[..., RedisServer], ledger: Ledger, free_port: int
) -> None:
    server = redis_server()
    workers = Workers("tests.e2e.tasks", server.url, server.url, ledger)
    try:
        workers.start("--health", str(free_port), pool="prefork")
        eventually(lambda: ask(free_port, "/readyz") == 200, "the worker is ready")
        server.stop()
        eventually(lambda: ask(free_port, "/readyz") == 503, "the worker is not ready without its broker")
        assert ask(free_port, "/livez") == 200
        server.start()
        eventually(lambda: ask(free_port, "/readyz") == 200, "the worker is ready again")
    finally:
        workers.close()
