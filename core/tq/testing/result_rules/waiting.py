"""Waiting: woken by what another instance stores, never longer than asked."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import ClassVar

import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.records import TaskMeta
from tq.testing.needs import unless
from tq.testing.result_kit import ResultKit, failure, success
from tq.testing.threads import at_once
from tq.wire.ids import new_id


class Waiting:
    """Tests of `wait`."""

    backend_class: ClassVar[type[ResultBackend]]

    def test_wait_returns_at_once_what_is_ready(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(task_id, 1)])
        started = time.monotonic()
        assert backend.wait([task_id], 30.0) == {task_id: success(task_id, 1)}
        assert time.monotonic() - started < 10

    @pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "REVOKED"])
    def test_wait_takes_every_final_state(self, backend: ResultBackend, task_id: str, status: str) -> None:
        backend.store([TaskMeta(task_id, status)])
        assert backend.wait([task_id], 30.0)[task_id].status == status

    def test_wait_gives_up_when_its_time_is_over(self, kit: ResultKit, backend: ResultBackend) -> None:
        started = time.monotonic()
        assert backend.wait([new_id()], kit.moment) == {}
        assert kit.moment * 0.5 <= time.monotonic() - started < kit.moment + 10
        assert backend.wait([new_id()], 0.0) == {}

    def test_wait_of_nothing_returns_nothing(self, backend: ResultBackend) -> None:
        assert backend.wait([], 0.0) == {}

    @unless(BackendCap.REPLIES)
    def test_wait_is_woken_by_another_instance(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        with later(kit, [success(task_id, 1)]):
            assert backend.wait([task_id], kit.patience) == {task_id: success(task_id, 1)}

    def test_wait_is_woken_by_its_own_instance(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        """In one process there are callers and workers, and results that come between looking and listening."""
        with later(kit, [failure(task_id)], backend):
            assert backend.wait([task_id], kit.patience) == {task_id: failure(task_id)}

    @unless(BackendCap.REPLIES)
    def test_wait_is_not_ended_by_a_state_that_is_not_final(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        backend.store([TaskMeta(task_id, "STARTED")])
        with later(kit, [TaskMeta(task_id, "PROGRESS", 50)]):
            assert backend.wait([task_id], kit.moment * 2) == {}
        with later(kit, [success(task_id, 1)]):
            assert set(backend.wait([task_id], kit.patience)) == {task_id}

    def test_wait_for_many_returns_all_that_are_ready(self, backend: ResultBackend) -> None:
        ready, others = [new_id() for _ in range(3)], [new_id() for _ in range(3)]
        backend.store([success(task_id, 1) for task_id in ready] + [TaskMeta(others[0], "STARTED")])
        assert set(backend.wait([*others, *ready], 30.0)) == set(ready)

    @unless(BackendCap.REPLIES)
    def test_wait_for_many_is_woken_by_the_first(self, kit: ResultKit, backend: ResultBackend) -> None:
        task_ids = [new_id() for _ in range(50)]
        with later(kit, [success(task_ids[33], 33)]):
            assert set(backend.wait(task_ids, kit.patience)) == {task_ids[33]}

    @unless(BackendCap.REPLIES)
    def test_waiting_again_and_again_collects_all(self, kit: ResultKit, backend: ResultBackend) -> None:
        task_ids = [new_id() for _ in range(60)]

        def store() -> None:
            other = kit.backend()
            for number, task_id in enumerate(task_ids):
                other.store([success(task_id, number)])

        def collect() -> None:
            missing = set(task_ids)
            until = time.monotonic() + kit.patience
            while missing and time.monotonic() < until:
                missing -= set(backend.wait(sorted(missing), 1.0))
            assert not missing, f"{len(missing)} results were never seen by wait"

        at_once([store, collect])

    @unless(BackendCap.REPLIES)
    def test_threads_may_wait_on_one_backend(self, kit: ResultKit, backend: ResultBackend) -> None:
        task_ids = [new_id() for _ in range(6)]
        with later(kit, [success(task_id, task_id) for task_id in task_ids]):
            answers = at_once([partial(backend.wait, [task_id], kit.patience) for task_id in task_ids])
        assert [list(answer) for answer in answers] == [[task_id] for task_id in task_ids]

    def test_wait_after_forget_waits_for_the_next_result(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        backend.store([success(task_id, 1)])
        backend.wait([task_id], kit.patience)
        backend.forget([task_id])
        assert backend.wait([task_id], kit.moment) == {}


class later:
    """Store a batch a moment after the block has begun."""

    def __init__(self, kit: ResultKit, batch: list[TaskMeta], backend: ResultBackend | None = None) -> None:
        self._timer = threading.Timer(kit.moment, (backend or kit.backend()).store, [batch])

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.join()
