"""Opening and closing: cheap to make, options checked, close at any time."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from tq.contracts.broker import Broker
from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq.plugins.kinds import BROKER
from tq.testing.broker_kit import BrokerKit, envelope


class Opening:
    """Tests of a broker's life from `__init__` to `close`."""

    broker_class: ClassVar[type[Broker]]

    def test_opening_keeps_the_url_that_was_given(self, broker: Broker, broker_url: str) -> None:
        assert broker.url == broker_url

    def test_opening_twice_reaches_the_same_messages(self, kit: BrokerKit, queue: str) -> None:
        kit.send(kit.broker(), queue, "from-the-first")
        (delivery,) = kit.take(kit.consumer(kit.broker(), queue), 1)
        assert delivery.queue == queue

    def test_opening_needs_an_api_version_that_the_core_knows(self) -> None:
        assert self.broker_class.api_version in (BROKER.api_versions or ())

    def test_opening_refuses_an_unknown_option_by_name(self, broker_url: str, broker_options: Any) -> None:
        with pytest.raises(ImproperlyConfigured, match="no_such_option"):
            self.broker_class(broker_url, {**broker_options, "no_such_option": 1})

    def test_opening_refuses_an_unknown_option_in_the_url(self, broker_url: str, broker_options: Any) -> None:
        url = broker_url + ("&" if "?" in broker_url else "?") + "no_such_option=1"
        with pytest.raises(ImproperlyConfigured, match="no_such_option"):
            self.broker_class(url, broker_options)

    def test_opening_suggests_the_option_that_was_meant(self, broker_url: str, broker_options: Any) -> None:
        known = [f.encode_name for f in msgspec.structs.fields(self.broker_class.options_type)]
        if not known:
            pytest.skip(f"{self.broker_class.__name__} has no options")
        with pytest.raises(ImproperlyConfigured, match=known[0]):
            self.broker_class(broker_url, {**broker_options, known[0] + "x": 1})

    def test_closing_twice_is_harmless(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one")
        broker.close()
        broker.close()

    def test_closing_an_unused_broker_is_harmless(self, kit: BrokerKit) -> None:
        kit.broker().close()

    def test_closing_a_broker_keeps_its_messages(self, kit: BrokerKit, queue: str) -> None:
        first = kit.broker()
        kit.send(first, queue, "kept")
        kept_by = kit.broker()
        first.close()
        assert len(kit.take(kit.consumer(kept_by, queue), 1)) == 1

    def test_closing_a_consumer_twice_is_harmless(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer = kit.consumer(broker, queue)
        consumer.close()
        consumer.close()

    def test_a_consumer_keeps_the_id_it_was_given(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        assert kit.consumer(broker, queue, consumer_id=f"id-{queue}").id == f"id-{queue}"

    def test_keep_is_harmless(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.consumer(broker, queue).keep()

    def test_a_broker_joins_no_backend_that_it_does_not_know(self, broker: Broker) -> None:
        assert broker.joins(object()) is False

    def test_findings_say_what_is_there_and_what_to_do(self, kit: BrokerKit, broker: Broker) -> None:
        for found in broker.findings():
            assert found.what and found.advice
            assert kit.url == mask_url(kit.url) or kit.url not in found.what + found.advice

    def test_a_password_is_never_part_of_a_repr(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.publish(broker, [envelope(queue, "one")])
        shown = repr(broker) + repr(kit.consumer(broker, queue))
        assert kit.url == mask_url(kit.url) or kit.url not in shown
