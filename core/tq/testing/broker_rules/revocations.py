"""Revocations: told once to the broker, known to every worker, until they expire."""

from __future__ import annotations

import time
from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.records import Revocation
from tq.testing.broker_kit import BrokerKit, names
from tq.testing.needs import needs

HOUR = 3600.0


class Revocations:
    """Tests of `revoke` and `revoked`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.REVOKE)
    def test_a_revocation_is_known_to_all_workers(self, kit: BrokerKit, broker: Broker) -> None:
        before, _ = broker.revoked()
        batch = [Revocation(names(1)[0]), Revocation(names(1)[0], terminate=True, signal="SIGKILL")]
        broker.revoke(batch, expires=HOUR)
        version, new = kit.broker().revoked(before)
        assert version > before
        assert sorted(new, key=repr) == sorted(batch, key=repr)

    @needs(Cap.REVOKE)
    def test_a_revocation_is_known_to_a_worker_that_comes_later(self, kit: BrokerKit, broker: Broker) -> None:
        one = Revocation(names(1)[0])
        broker.revoke([one], expires=HOUR)
        assert one in kit.broker().revoked()[1]

    @needs(Cap.REVOKE)
    def test_a_revocation_of_any_text_is_kept_as_it_is(self, kit: BrokerKit, broker: Broker) -> None:
        version, _ = broker.revoked()
        # Stamps travel as such texts; see `tq.wire.stamps`.
        name = f'stamp:["größe 🐇","{names(1)[0]}"]'.ljust(200, "x")
        broker.revoke([Revocation(name)], expires=HOUR)
        assert list(kit.broker().revoked(version)[1]) == [Revocation(name)]

    @needs(Cap.REVOKE)
    def test_revocations_are_told_once_to_who_asks_with_the_version(
        self, kit: BrokerKit, broker: Broker
    ) -> None:
        first, second = (Revocation(name) for name in names(2))
        broker.revoke([first], expires=HOUR)
        version, _ = broker.revoked()
        assert list(broker.revoked(version)[1]) == []
        kit.broker().revoke([second], expires=HOUR)
        newer, new = broker.revoked(version)
        assert (newer > version, list(new)) == (True, [second])
        assert (broker.revoked(newer)[0], list(broker.revoked(newer)[1])) == (newer, [])

    @needs(Cap.REVOKE)
    def test_a_revocation_may_be_made_stronger(self, broker: Broker) -> None:
        (name,) = names(1)
        broker.revoke([Revocation(name)], expires=HOUR)
        version, _ = broker.revoked()
        broker.revoke([Revocation(name, terminate=True)], expires=HOUR)
        assert list(broker.revoked(version)[1]) == [Revocation(name, terminate=True)]

    @needs(Cap.REVOKE)
    def test_a_revocation_expires(self, kit: BrokerKit, broker: Broker, slow_factor: float) -> None:
        life = 1.0 * slow_factor
        short, long = (Revocation(name) for name in names(2))
        version, _ = broker.revoked()
        broker.revoke([short], expires=life)
        broker.revoke([long], expires=HOUR)
        time.sleep(life)
        kit.eventually(lambda: list(broker.revoked(version)[1]) == [long], "the short revocation expires")

    @needs(Cap.REVOKE)
    def test_revoking_nothing_is_harmless(self, broker: Broker) -> None:
        version, _ = broker.revoked()
        broker.revoke([], expires=HOUR)
        assert list(broker.revoked(version)[1]) == []
