"""Storing: what comes back is what was stored, for every shape of result."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, ClassVar

import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import TQError
from tq.records import TaskMeta
from tq.testing.needs import unless
from tq.testing.result_kit import ResultKit, failure, success
from tq.testing.threads import at_once
from tq.wire.ids import new_id


class Storing:
    """Tests of `store`, `get` and `forget`."""

    backend_class: ClassVar[type[ResultBackend]]
    large: ClassVar[int] = 2**20
    """Size in bytes of the large result."""

    @pytest.mark.parametrize(
        "result",
        [None, True, 0, -1.5, "", "größe 任务 🐇 \x00 '\"\\", [], {}, [1, [2, {"a": None}]], {"k": [1, 2]}],
        ids=repr,
    )
    def test_get_returns_the_result_that_was_stored(
        self, backend: ResultBackend, task_id: str, result: Any
    ) -> None:
        backend.store([success(task_id, result)])
        assert backend.get([task_id]) == {task_id: success(task_id, result)}

    def test_get_returns_a_failure_in_celerys_shape(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([failure(task_id)])
        assert backend.get([task_id]) == {task_id: failure(task_id)}

    def test_get_returns_children_group_and_parent(self, backend: ResultBackend, task_id: str) -> None:
        meta = success(task_id, 1, children=[[["child", None], None]], group_id="group", parent_id="parent")
        backend.store([meta])
        assert backend.get([task_id]) == {task_id: meta}

    def test_get_returns_the_extended_fields(self, backend: ResultBackend, task_id: str) -> None:
        meta = success(
            task_id,
            1,
            name="a.b",
            args=[1, "x"],
            kwargs={"k": 2},
            worker="w@host",
            retries=3,
            queue="q",
            stamps={"tenant": "x"},
        )
        backend.store([meta])
        got = backend.get([task_id])[task_id]
        assert (got.name, got.worker, got.retries, got.queue) == ("a.b", "w@host", 3, "q")
        assert (got.args, got.kwargs, got.stamps) == (meta.args, meta.kwargs, meta.stamps)

    def test_get_leaves_out_what_is_unknown(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(task_id, 1)])
        unknown = new_id()
        assert backend.get([unknown]) == {}
        assert set(backend.get([unknown, task_id])) == {task_id}
        assert backend.get([]) == {}

    def test_get_of_one_id_twice_is_harmless(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(task_id, 1)])
        assert set(backend.get([task_id, task_id])) == {task_id}

    @unless(BackendCap.REPLIES)
    def test_another_instance_reads_what_was_stored(self, kit: ResultKit, task_id: str) -> None:
        kit.backend().store([success(task_id, "shared")])
        assert kit.backend().get([task_id]) == {task_id: success(task_id, "shared")}

    def test_store_of_nothing_is_harmless(self, backend: ResultBackend) -> None:
        backend.store([])

    def test_a_batch_of_a_thousand_is_stored_and_read(self, backend: ResultBackend) -> None:
        batch = [success(new_id(), number) for number in range(1000)]
        backend.store(batch)
        assert backend.get([meta.task_id for meta in batch]) == {meta.task_id: meta for meta in batch}

    def test_a_large_result_is_stored_whole(self, backend: ResultBackend, task_id: str) -> None:
        text = "0123456789abcdef" * (self.large // 16 - 64)
        backend.store([success(task_id, text)])
        assert backend.get([task_id])[task_id].result == text

    @pytest.mark.parametrize("name", ["größe", "任务", "with space", "a/b:c{d}*?[e]%f", "x" * 100])
    def test_any_text_may_be_a_task_id(self, backend: ResultBackend, task_id: str, name: str) -> None:
        full = f"{name}-{task_id}"
        backend.store([success(full, 1)])
        assert set(backend.get([full])) == {full}
        backend.forget([full])
        assert backend.get([full]) == {}

    def test_ids_that_differ_by_case_are_two_tasks(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(f"a-{task_id}", 1), success(f"A-{task_id}", 2)])
        assert backend.get([f"a-{task_id}"]) == {f"a-{task_id}": success(f"a-{task_id}", 1)}

    def test_forget_removes_only_what_it_names(self, backend: ResultBackend) -> None:
        gone, stays = new_id(), new_id()
        backend.store([success(gone, 1), success(stays, 2)])
        backend.forget([gone, new_id()])
        backend.forget([])
        assert set(backend.get([gone, stays])) == {stays}

    def test_a_forgotten_task_can_be_stored_again(self, backend: ResultBackend, task_id: str) -> None:
        backend.store([success(task_id, 1)])
        backend.forget([task_id])
        backend.store([TaskMeta(task_id, "STARTED")])
        assert backend.get([task_id])[task_id].status == "STARTED"

    def test_a_result_that_cannot_be_written_is_refused(self, backend: ResultBackend, task_id: str) -> None:
        with pytest.raises(TQError):
            backend.store([success(task_id, object())])
        assert backend.get([task_id]) == {}

    def test_threads_share_a_backend(self, kit: ResultKit, backend: ResultBackend) -> None:
        def work(thread: int) -> None:
            for number in range(100):
                task_id, started = new_id(), time.monotonic()
                backend.store([success(task_id, [thread, number])])
                assert backend.get([task_id])[task_id].result == [thread, number]
                assert backend.wait([task_id], kit.patience * 3)[task_id].result == [thread, number]
                assert time.monotonic() - started < kit.patience / 2, (
                    "a wait slept over a result that was there"
                )

        at_once([partial(work, thread) for thread in range(4)])
