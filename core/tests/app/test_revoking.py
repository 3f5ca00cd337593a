"""Revoking from an app: by id and by stamp, what waits and what comes later."""

from __future__ import annotations

from typing import Any

import pytest

from core.tests.app.conftest import RunWorker
from tq import TQ
from tq.errors import InvalidTask, TaskRevoked


def test_tasks_are_revoked_by_their_stamps_and_others_run(app: TQ, run_worker: RunWorker) -> None:
    @app.task
    def work(number: int) -> int:
        return number

    def send(number: int, tenant: Any, **more: Any) -> Any:
        stamps: dict[str, Any] = {"tenant": tenant, "stamped_headers": ["tenant"]}
        return work.apply_async((number,), **stamps, **more)

    waiting, free, delayed = send(1, "a"), send(2, "c"), send(3, ["x", "b"], countdown=0.5)
    app.revoke_by_stamped_headers({"tenant": ["a", "b"]})
    later = send(4, "a")
    with run_worker(app):
        assert free.get(timeout=20) == 2
        for result in (waiting, delayed, later):
            with pytest.raises(TaskRevoked):
                result.get(timeout=20)


def test_without_a_stamp_nothing_is_revoked(app: TQ) -> None:
    with pytest.raises(InvalidTask, match="needs stamps"):
        app.revoke_by_stamped_headers({})
