"""Broadcasts over a database: each worker runs each task once."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.processes import eventually
from tq import TQ, Broadcast
from tq.testing.worker import running_worker


def test_two_workers_on_one_database_both_run_what_is_broadcast(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tq.db"
    ran: list[tuple[int, str]] = []
    with ExitStack() as stack:
        apps = [stack.enter_context(TQ("shop", broker=url, set_as_current=False)) for _ in range(2)]
        for number, app in enumerate(apps):
            app.conf.task_queues = (Broadcast("news"),)
            app.task(name="shop.note")(lambda word, number=number: ran.append((number, word)))
            stack.enter_context(running_worker(app, pool="threads", concurrency=2))
        eventually(lambda: len(apps[0].control.ping(timeout=0.5)) == 2, "both workers")
        for word in ("one", "two"):
            apps[0].send_task("shop.note", [word], queue="news")
        expected = [(number, word) for number in (0, 1) for word in ("one", "two")]
        eventually(lambda: sorted(ran) == expected, lambda: str(ran))
    assert sorted(ran) == expected
