"""What `findings()` says of MongoDB."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.mongodb.tests.conftest import NewBackend
from tq.records import Finding, Severity
from tq.testing.broker_kit import BrokerKit
from tq_mongodb.checkup import check_up
from tq_mongodb.store import Store


class Answers:
    """In the place of a store: a server in a state that the emulator has not."""

    shown = "mongodb://h/tq"
    durable = True

    def __init__(self, store: Store, **changed: Any) -> None:
        self._store = store
        self._changed = changed

    def run(self, doing: str, call: Any) -> dict[str, Any]:
        """What the server says, with changes."""
        return {**self._store.run(doing, call), **self._changed}


def test_a_replica_set_of_one_is_noted(kit: BrokerKit, backend_at: NewBackend, mongodb_url: str) -> None:
    for found in (kit.broker().findings(), backend_at(mongodb_url).findings()):
        assert [each.severity for each in found] == [Severity.NOTE]
        assert "one member" in found[0].what


def test_a_url_that_waits_for_less_is_noted(backend_at: NewBackend, mongodb_url: str) -> None:
    joint = "&" if "?" in mongodb_url else "?"
    found = backend_at(f"{mongodb_url}{joint}w=1").findings()
    assert any("how long a write waits" in each.what for each in found)


@pytest.mark.parametrize(
    ("changed", "severity", "words"),
    [
        ({"setName": None}, Severity.WARNING, "without a replica set"),
        ({"hosts": ["a:1", "b:1"]}, None, ""),
        ({"setName": None, "msg": "isdbgrid"}, None, ""),
        ({"readOnly": True, "hosts": ["a:1", "b:1"]}, Severity.ERROR, "can only be read"),
        ({"versionArray": [4, 2, 9, 0], "hosts": ["a:1", "b:1"]}, Severity.ERROR, "version 4.2.9"),
    ],
)
def test_what_a_server_may_say_is_told(
    kit: BrokerKit, changed: dict[str, Any], severity: Severity | None, words: str
) -> None:
    broker: Any = kit.broker()
    found: list[Finding] = check_up(Answers(broker._store, **changed))  # type: ignore[arg-type]
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    assert all(words in each.what and each.advice for each in found)
