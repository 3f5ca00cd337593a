"""`BrokerConformance`: the tests of every broker plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from tq.contracts.broker import Broker
from tq.testing.broker_kit import BrokerKit
from tq.testing.broker_rules.answers import Answers, Line
from tq.testing.broker_rules.batches import Batches
from tq.testing.broker_rules.broadcast import Broadcast
from tq.testing.broker_rules.capabilities import Capabilities
from tq.testing.broker_rules.concurrency import Concurrency
from tq.testing.broker_rules.dead_letters import DeadLetters
from tq.testing.broker_rules.delays import Delays
from tq.testing.broker_rules.errors import Errors
from tq.testing.broker_rules.firsts import Firsts
from tq.testing.broker_rules.interruption import Interruption
from tq.testing.broker_rules.leases import Leases
from tq.testing.broker_rules.locks import Locks
from tq.testing.broker_rules.model import Model
from tq.testing.broker_rules.opening import Opening
from tq.testing.broker_rules.priorities import Priorities
from tq.testing.broker_rules.processes import Processes
from tq.testing.broker_rules.publishing import Publishing
from tq.testing.broker_rules.queues import Queues
from tq.testing.broker_rules.receiving import Receiving
from tq.testing.broker_rules.releases import Releases
from tq.testing.broker_rules.restart import Restart
from tq.testing.broker_rules.revocations import Revocations
from tq.testing.broker_rules.settling import Settling
from tq.testing.needs import skip_undeclared
from tq.wire.ids import new_id


class BrokerConformance(
    Opening,
    Capabilities,
    Publishing,
    Receiving,
    Settling,
    Leases,
    Firsts,
    Releases,
    Delays,
    Priorities,
    Batches,
    DeadLetters,
    Queues,
    Locks,
    Revocations,
    Broadcast,
    Interruption,
    Concurrency,
    Processes,
    Errors,
    Answers,
    Restart,
    Model,
):
    """Inherit, set `broker_class`, and override the fixture `broker_url`; the rest has defaults.

    Each test takes a new queue name, so the store need not be empty. Fixtures to override where needed:
    `broker_options`, `slow_factor`, `lease`, `put_raw`, `dead_url`, `wrong_password_url`,
    `restart_service`, `lossy_line`.
    """

    broker_class: ClassVar[type[Broker]]

    @pytest.fixture
    def broker_url(self) -> str:
        """The URL of an empty or shared store. Required."""
        pytest.fail(f"{type(self).__name__} must override the fixture `broker_url`")

    @pytest.fixture
    def broker_options(self) -> Mapping[str, Any]:
        """What `broker_transport_options` would hold."""
        return {}

    @pytest.fixture
    def slow_factor(self) -> float:
        """Stretches every time of the suite, for slow stores and machines."""
        return 1.0

    @pytest.fixture
    def lease(self, slow_factor: float) -> float:
        """A short lease in seconds, for the tests in which a consumer dies."""
        return 0.8 * slow_factor

    @pytest.fixture
    def put_raw(self) -> Callable[[str, bytes], None]:
        """`put_raw(queue, raw)` puts bytes into a queue as a foreign or broken program would."""
        pytest.skip(f"no fixture `put_raw` in {type(self).__name__}: undecodable bytes are not tested")

    @pytest.fixture
    def dead_url(self) -> str:
        """A URL of this broker where nothing listens, with the password `s3cret` in it."""
        pytest.skip(f"no fixture `dead_url` in {type(self).__name__}: a server that is gone is not tested")

    @pytest.fixture
    def wrong_password_url(self) -> str:
        """The URL of a live server that refuses the password `s3cret` in it."""
        pytest.skip(
            f"no fixture `wrong_password_url` in {type(self).__name__}: a refused login is not tested"
        )

    @pytest.fixture
    def restart_service(self) -> Callable[[], None]:
        """Stops the server behind `broker_url`, starts it again, and returns when it answers."""
        pytest.skip(f"no fixture `restart_service` in {type(self).__name__}: restarts are not tested")

    @pytest.fixture
    def lossy_line(self) -> Line:
        """Another way to the server behind `broker_url`, which loses an answer when it is told to."""
        pytest.skip(f"no fixture `lossy_line` in {type(self).__name__}: lost answers are not tested")

    @pytest.fixture(autouse=True)
    def _only_what_is_declared(self, request: pytest.FixtureRequest) -> None:
        skip_undeclared(request.function, self.broker_class.capabilities, self.broker_class)

    @pytest.fixture
    def kit(
        self, broker_url: str, broker_options: Mapping[str, Any], slow_factor: float
    ) -> Iterator[BrokerKit]:
        made = BrokerKit(self.broker_class, broker_url, broker_options, slow_factor)
        yield made
        made.close()

    @pytest.fixture
    def broker(self, kit: BrokerKit) -> Broker:
        return kit.broker()

    @pytest.fixture
    def queue(self) -> str:
        return f"conformance-{new_id()}"
