"""Expiry: a result lives as long as it was given, and no longer."""

from __future__ import annotations

import time
from typing import ClassVar

import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.testing.needs import needs
from tq.testing.result_kit import ResultKit, now, success
from tq.wire.ids import new_id


class Expiry:
    """Tests of `expires` and `cleanup`."""

    backend_class: ClassVar[type[ResultBackend]]

    @needs(BackendCap.EXPIRES)
    def test_a_result_goes_away_by_itself(self, kit: ResultKit, task_id: str, short_life: float) -> None:
        backend = kit.backend(expires=short_life)
        backend.store([success(task_id, 1)])
        assert set(backend.get([task_id])) == {task_id}
        time.sleep(short_life)
        kit.eventually(lambda: backend.get([task_id]) == {}, "the result expires")

    def test_cleanup_removes_only_what_expired(self, kit: ResultKit, short_life: float) -> None:
        if BackendCap.EXPIRES in self.backend_class.capabilities:
            pytest.skip(f"the store behind {self.backend_class.__name__} expires by itself")
        if self.backend_class.cleanup is ResultBackend.cleanup:
            pytest.skip(f"{self.backend_class.__name__} keeps results until they are forgotten")
        old, young = new_id(), new_id()
        short, long = kit.backend(expires=short_life), kit.backend(expires=3600.0)
        short.store([success(old, 1, date_done=now())])
        time.sleep(short_life)
        long.store([success(young, 2, date_done=now())])
        cleaner = kit.backend(expires=short_life)
        kit.eventually(lambda: cleaner.cleanup() and cleaner.get([old]) == {}, "the old result is removed")
        assert set(long.get([young])) == {young}

    def test_cleanup_of_nothing_removes_nothing(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(task_id, 1)])
        assert backend.cleanup() >= 0
        assert set(backend.get([task_id])) == {task_id}

    def test_results_may_be_kept_for_ever(self, kit: ResultKit, task_id: str) -> None:
        backend = kit.backend(expires=None)
        backend.store([success(task_id, 1)])
        backend.cleanup()
        assert set(backend.get([task_id])) == {task_id}
