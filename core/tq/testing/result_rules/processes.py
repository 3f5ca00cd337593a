"""Processes: a fork goes on with a backend of its own; a restart keeps what was stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.testing.forks import in_child
from tq.testing.needs import needs, unless
from tq.testing.result_kit import ResultKit, success


class Processes:
    """Tests that fork or restart."""

    backend_class: ClassVar[type[ResultBackend]]

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_fork_leaves_the_parents_connection_usable(self, backend: ResultBackend, task_id: str) -> None:
        """Two processes that speak over one socket get each other's answers; one that closes it takes it from
        the other."""
        backend.store([success(task_id, 1)])

        def child() -> None:
            backend.after_fork()
            backend.get([task_id])
            backend.close()

        assert in_child(child) == 0
        backend.store([success(f"{task_id}-2", 2)])
        assert backend.get([task_id, f"{task_id}-2"]).keys() == {task_id, f"{task_id}-2"}

    @needs(BackendCap.SHARED)
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    @unless(BackendCap.REPLIES)
    def test_a_result_of_a_child_wakes_the_parent(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        backend.wait([task_id], 0.0)

        def child() -> None:
            backend.after_fork()
            backend.store([success(task_id, "from the child")])

        assert in_child(child) == 0
        assert backend.wait([task_id], kit.patience)[task_id].result == "from the child"

    @needs(BackendCap.DURABLE)
    def test_results_survive_a_restart(
        self, kit: ResultKit, backend: ResultBackend, task_id: str, restart_service: Callable[[], None]
    ) -> None:
        backend.store([success(task_id, 1)])
        restart_service()
        assert set(kit.survive(lambda: backend.get([task_id]))) == {task_id}
        kit.survive(lambda: backend.store([success(f"{task_id}-2", 2)]))
        assert kit.survive(lambda: backend.wait([f"{task_id}-2"], kit.patience))[f"{task_id}-2"].result == 2
