"""Errors: a server that is gone is said in time, and no password is ever shown."""

from __future__ import annotations

import time
import traceback
from typing import Any, ClassVar

import pytest

from tq.contracts.broker import Broker
from tq.errors import BrokerError, BrokerUnavailable
from tq.records import Queue
from tq.testing.broker_kit import envelope

PASSWORD = "s3cret"


class Errors:
    """Tests with the fixture `dead_url`."""

    broker_class: ClassVar[type[Broker]]

    @pytest.fixture
    def dead_broker(self, dead_url: str, broker_options: Any) -> Broker:
        assert PASSWORD in dead_url, f"the fixture `dead_url` must hold the password {PASSWORD!r}"
        return self.broker_class(dead_url, broker_options)

    def test_publish_to_a_dead_server_raises_within_its_timeout(self, dead_broker: Broker) -> None:
        """The caller may be a web request, and has said how long it can wait, connecting included."""
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable) as caught:
            dead_broker.publish([envelope("q", "one")], timeout=1.0)
        assert time.monotonic() - started < 6
        shows_no_password(caught.value, dead_broker)

    def test_consume_from_a_dead_server_raises(self, dead_broker: Broker) -> None:
        with pytest.raises(BrokerUnavailable) as caught:
            dead_broker.consumer(["q"], "consumer", lease=5.0).receive(1, 0.1)
        shows_no_password(caught.value, dead_broker)

    def test_declaring_queues_connects_to_nothing(self, dead_broker: Broker) -> None:
        """An app is made, and its commands asked for help, where there is no server."""
        dead_broker.declare([Queue("q")], others=Queue(""))
        dead_broker.close()

    def test_maintain_of_a_dead_server_raises_or_has_nothing_to_do(self, dead_broker: Broker) -> None:
        try:
            assert list(dead_broker.maintain(["q"])) == []
        except BrokerError as exc:
            shows_no_password(exc, dead_broker)

    def test_errors_name_the_server_with_a_masked_password(self, dead_broker: Broker) -> None:
        with pytest.raises(BrokerUnavailable) as caught:
            dead_broker.publish([envelope("q", "one")], timeout=1.0)
        assert "**" in str(caught.value) + caught.value.url

    def test_no_log_line_shows_a_password(
        self, dead_broker: Broker, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(0)
        with pytest.raises(BrokerUnavailable):
            dead_broker.publish([envelope("q", "one")], timeout=0.5)
        assert PASSWORD not in caplog.text

    def test_a_wrong_password_is_refused_and_not_shown(
        self, wrong_password_url: str, broker_options: Any
    ) -> None:
        broker = self.broker_class(wrong_password_url, broker_options)
        with pytest.raises(BrokerError) as caught:
            broker.publish([envelope("q", "one")], timeout=2.0)
        shows_no_password(caught.value, broker)
        broker.close()

    def test_closing_after_the_server_is_gone_is_harmless(self, dead_broker: Broker) -> None:
        with pytest.raises(BrokerUnavailable):
            dead_broker.publish([envelope("q", "one")], timeout=0.5)
        dead_broker.close()
        dead_broker.close()


def shows_no_password(error: BrokerError, broker: Broker) -> None:
    """Neither in the error, nor in its causes, nor in the broker."""
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.url + repr(broker)
    assert PASSWORD not in shown
