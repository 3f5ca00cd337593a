"""States: they follow each other, and SUCCESS is the last."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.records import TaskMeta
from tq.testing.needs import unless
from tq.testing.result_kit import ResultKit, failure, success
from tq.testing.threads import at_once


class States:
    """Tests of the order of states."""

    backend_class: ClassVar[type[ResultBackend]]

    @pytest.mark.parametrize(
        "status", ["PENDING", "RECEIVED", "STARTED", "RETRY", "REVOKED", "PROGRESS", "größe"]
    )
    def test_a_state_is_kept_with_its_result(self, backend: ResultBackend, task_id: str, status: str) -> None:
        backend.store([TaskMeta(task_id, status, {"done": 7, "of": 9})])
        got = backend.get([task_id])[task_id]
        assert (got.status, got.result, got.task_id) == (status, {"done": 7, "of": 9}, task_id)

    def test_a_later_state_replaces_an_earlier_one(self, backend: ResultBackend, task_id: str) -> None:
        for status in ("STARTED", "RETRY", "PROGRESS"):
            backend.store([TaskMeta(task_id, status)])
            assert backend.get([task_id])[task_id].status == status
        backend.store([failure(task_id)])
        backend.store([success(task_id, "at last")])
        assert backend.get([task_id]) == {task_id: success(task_id, "at last")}

    @pytest.mark.parametrize("status", ["STARTED", "RETRY", "FAILURE", "REVOKED", "PROGRESS"])
    def test_success_is_final(
        self, kit: ResultKit, backend: ResultBackend, task_id: str, status: str
    ) -> None:
        backend.store([success(task_id, 1)])
        kit.backend().store([TaskMeta(task_id, status, "late")])
        assert backend.get([task_id]) == {task_id: success(task_id, 1)}

    def test_success_is_final_within_one_batch(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([TaskMeta(task_id, "STARTED"), success(task_id, 1), failure(task_id)])
        assert backend.get([task_id]) == {task_id: success(task_id, 1)}

    @unless(BackendCap.REPLIES)
    def test_success_is_final_while_others_store(self, kit: ResultKit, task_id: str) -> None:
        """A worker that was declared dead reports late; the result that its successor stored must stand."""
        backends = [kit.backend() for _ in range(4)]

        def keep_storing(number: int) -> None:
            for turn in range(10):
                wins = number == 0 and turn == 3
                backends[number].store([success(task_id, 1) if wins else TaskMeta(task_id, "STARTED")])

        at_once([partial(keep_storing, number) for number in range(4)])
        assert backends[1].get([task_id]) == {task_id: success(task_id, 1)}
