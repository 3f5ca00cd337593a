"""Result backends that are wrong on purpose."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from tq.records import TaskMeta
from tq.results.memory import MemoryBackend


class BackendMutant(MemoryBackend):
    """A memory backend with a flaw."""

    caught_by: ClassVar[str]
    """The test of `ResultBackendConformance` that must fail."""


class OverwritesSuccess(BackendMutant):
    """Lets a late state take the place of a result."""

    caught_by = "test_success_is_final[FAILURE]"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        self.forget([meta.task_id for meta in batch])
        super().store(batch)


class InventsStates(BackendMutant):
    """Calls PENDING what it does not know."""

    caught_by = "test_get_leaves_out_what_is_unknown"

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        return {task_id: TaskMeta(task_id, "PENDING") for task_id in task_ids} | dict(super().get(task_ids))


class KeepsToItself(BackendMutant):
    """Shows results only to the instance that stored them."""

    caught_by = "test_another_instance_reads_what_was_stored"

    def __init__(self, url: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(f"{url}-{id(self)}", *args, **kwargs)


class LosesTracebacks(BackendMutant):
    """Stores only a part of the document."""

    caught_by = "test_get_returns_a_failure_in_celerys_shape"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        super().store([msgspec.structs.replace(meta, traceback=None) for meta in batch])


class FoldsCase(BackendMutant):
    """Compares ids as a database with a careless collation does."""

    caught_by = "test_ids_that_differ_by_case_are_two_tasks"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        super().store([msgspec.structs.replace(meta, task_id=meta.task_id.lower()) for meta in batch])

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        found = super().get([task_id.lower() for task_id in task_ids])
        return {task_id: found[task_id.lower()] for task_id in task_ids if task_id.lower() in found}


class NeverWakes(BackendMutant):
    """Looks once, and then sleeps the time away."""

    caught_by = "test_wait_is_woken_by_another_instance"

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        found = super().wait(task_ids, 0.0)
        if not found:
            time.sleep(timeout)
        return found


class WakesForAnyState(BackendMutant):
    """Takes STARTED for an end."""

    caught_by = "test_wait_is_not_ended_by_a_state_that_is_not_final"

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        return super().wait(task_ids, timeout) or self.get(task_ids)


class WaitsForAll(BackendMutant):
    """Returns only when every task is ready."""

    caught_by = "test_wait_for_many_is_woken_by_the_first"

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        until, found = time.monotonic() + timeout, dict[str, TaskMeta]()
        while len(found) < len(task_ids) and (left := until - time.monotonic()) > 0:
            found |= super().wait([task_id for task_id in task_ids if task_id not in found], left)
        return found if len(found) == len(task_ids) else {}


class NeverExpires(BackendMutant):
    """Declares `BackendCap.EXPIRES` and keeps everything."""

    caught_by = "test_a_result_goes_away_by_itself"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        self.expires = None
        super().store(batch)


class ForgetsNothing(BackendMutant):
    """Keeps what it was told to forget."""

    caught_by = "test_forget_removes_only_what_it_names"

    def forget(self, task_ids: Sequence[str]) -> None:
        """Nothing happens."""


BACKENDS: tuple[type[BackendMutant], ...] = tuple(BackendMutant.__subclasses__())
"""All of them."""
