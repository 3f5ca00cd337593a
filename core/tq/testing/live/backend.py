"""The suite of result backends on the URL of `tq plugins check`; it removes what it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendError
from tq.plugins.registry import backend_class
from tq.records import TaskMeta
from tq.testing.live.target import target
from tq.testing.results import ResultBackendConformance
from tq.wire.json import JsonSerializer


def _noting(cls: type[ResultBackend]) -> Any:
    """The same class, but it notes in `stored` and `saved` the ids that it is given; the suite made all of them."""

    class Noting(cls):  # type: ignore[valid-type, misc]
        stored: ClassVar[set[str]] = set()
        saved: ClassVar[set[str]] = set()

        def store(self, batch: Sequence[TaskMeta]) -> None:
            self.stored.update(meta.task_id for meta in batch)
            super().store(batch)

        def save_group(self, group_id: str, structure: Any) -> None:
            self.saved.add(group_id)
            super().save_group(group_id, structure)

    Noting.__name__ = Noting.__qualname__ = cls.__name__
    return Noting


class TestBackend(ResultBackendConformance):
    backend_class: ClassVar[Any] = _noting(backend_class(target().url))

    @pytest.fixture
    def backend_url(self) -> str:
        return target().url

    @pytest.fixture
    def backend_options(self) -> Mapping[str, Any]:
        return target().options

    @pytest.fixture
    def slow_factor(self) -> float:
        return target().slow_factor

    @pytest.fixture(scope="class", autouse=True)
    def _clean(self) -> Iterator[None]:
        yield
        made = self.backend_class(target().url, target().options, serializer=JsonSerializer(), expires=1.0)
        try:
            with contextlib.suppress(BackendError):  # what cannot be removed is not a broken rule
                made.forget(sorted(self.backend_class.stored))
            for group_id in self.backend_class.saved if BackendCap.GROUPS in made.capabilities else ():
                with contextlib.suppress(BackendError):
                    made.forget_group(group_id)
        finally:
            made.close()
