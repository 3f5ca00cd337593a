"""Making kits of a broker's driver, for the tests of a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tq.contracts.broker import Broker
from tq.testing.broker_kit import BrokerKit

NewKit = Callable[..., BrokerKit]
"""`new_kit(url, option=value, ...)`"""


def kits_of(driver: type[Broker], slow_factor: float) -> Iterator[NewKit]:
    """The body of a fixture: yields what makes kits, and closes them."""
    made: list[BrokerKit] = []

    def make(url: str, **options: Any) -> BrokerKit:
        made.append(BrokerKit(driver, url, options, slow_factor))
        return made[-1]

    yield make
    for kit in made:
        kit.close()
