"""`ResultBackendConformance`: the tests of every result backend plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from tq.contracts.results import ResultBackend
from tq.contracts.serializer import Serializer
from tq.testing.needs import skip_undeclared
from tq.testing.result_kit import ResultKit
from tq.testing.result_rules.errors import Errors
from tq.testing.result_rules.expiry import Expiry
from tq.testing.result_rules.groups import Groups
from tq.testing.result_rules.opening import Opening
from tq.testing.result_rules.processes import Processes
from tq.testing.result_rules.states import States
from tq.testing.result_rules.storing import Storing
from tq.testing.result_rules.waiting import Waiting
from tq.wire.ids import new_id
from tq.wire.json import JsonSerializer


class ResultBackendConformance(Opening, Storing, States, Waiting, Groups, Expiry, Processes, Errors):
    """Inherit, set `backend_class`, and override the fixture `backend_url`; the rest has defaults.

    Each test takes new task ids, so the store need not be empty. Fixtures to override where needed:
    `backend_options`, `serializer`, `slow_factor`, `short_life`, `dead_url`, `restart_service`.
    """

    backend_class: ClassVar[type[ResultBackend]]

    @pytest.fixture
    def backend_url(self) -> str:
        """The URL of an empty or shared store. Required."""
        pytest.fail(f"{type(self).__name__} must override the fixture `backend_url`")

    @pytest.fixture
    def backend_options(self) -> Mapping[str, Any]:
        """What `result_backend_transport_options` would hold."""
        return {}

    @pytest.fixture
    def serializer(self) -> Serializer:
        """What writes the results."""
        return JsonSerializer()

    @pytest.fixture
    def slow_factor(self) -> float:
        """Stretches every time of the suite, for slow stores and machines."""
        return 1.0

    @pytest.fixture
    def short_life(self, slow_factor: float) -> float:
        """A time to live, in seconds, that a test can wait for."""
        return 1.0 * slow_factor

    @pytest.fixture
    def dead_url(self) -> str:
        """A URL of this backend where nothing listens, with the password `s3cret` in it."""
        pytest.skip(f"no fixture `dead_url` in {type(self).__name__}: a server that is gone is not tested")

    @pytest.fixture
    def restart_service(self) -> Callable[[], None]:
        """Stops the server behind `backend_url`, starts it again, and returns when it answers."""
        pytest.skip(f"no fixture `restart_service` in {type(self).__name__}: restarts are not tested")

    @pytest.fixture(autouse=True)
    def _only_what_is_declared(self, request: pytest.FixtureRequest) -> None:
        skip_undeclared(request.function, self.backend_class.capabilities, self.backend_class)

    @pytest.fixture
    def kit(
        self, backend_url: str, backend_options: Mapping[str, Any], serializer: Serializer, slow_factor: float
    ) -> Iterator[ResultKit]:
        made = ResultKit(self.backend_class, backend_url, backend_options, serializer, slow_factor)
        yield made
        made.close()

    @pytest.fixture
    def backend(self, kit: ResultKit) -> ResultBackend:
        return kit.backend()

    @pytest.fixture
    def task_id(self) -> str:
        return new_id()
