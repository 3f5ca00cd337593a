"""Dead letters: kept with their reason until somebody decides."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.records import Action, Message, Undecodable
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.needs import needs


class DeadLetters:
    """Tests of `dead_letters`, `requeue_dead` and `drop_dead`."""

    broker_class: ClassVar[type[Broker]]
    many: ClassVar[int]

    @needs(Cap.DEAD_LETTERS)
    def test_a_dead_letter_says_what_died_why_and_when(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        bury(kit, broker, queue, "hopeless", reason="no task of this name: größe")
        (letter,) = kit.broker().dead_letters(queue)
        assert isinstance(letter.message, Message)
        assert letter.message.headers["id"] == "hopeless"
        assert (letter.queue, letter.reason) == (queue, "no task of this name: größe")
        assert abs(letter.died_at - time.time()) < 3600
        assert letter.id

    @needs(Cap.DEAD_LETTERS)
    def test_dead_letters_come_newest_first_up_to_a_limit(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        for name in ("a", "b", "c"):
            bury(kit, broker, queue, name)
        assert dead_ids(broker, queue) == ["c", "b", "a"]
        assert dead_ids(broker, queue, limit=2) == ["c", "b"]
        assert dead_ids(broker, f"{queue}-other") == []

    @needs(Cap.DEAD_LETTERS)
    def test_a_requeued_dead_letter_is_delivered_as_new(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        bury(kit, broker, queue, "again", "stays")
        chosen = letter_id(broker, queue, "again")
        assert broker.requeue_dead(queue, [chosen, "no-such-id"]) == 1
        (delivery,) = kit.take(kit.consumer(broker, queue), 1)
        assert (ids([delivery]), delivery.attempt <= 1) == (["again"], True)
        assert dead_ids(broker, queue) == ["stays"]
        assert broker.requeue_dead(queue, [chosen]) == 0

    @needs(Cap.DEAD_LETTERS | Cap.LEASE | Cap.ATTEMPTS)
    def test_a_requeued_dead_letter_has_all_its_attempts_again(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "killer")
        for _ in range(2):
            consumer = kit.consumer(broker, queue)
            broker.release(consumer.id, running=[int(kit.take(consumer, 1)[0].receipt)], max_attempts=2)
        assert broker.requeue_dead(queue, [letter_id(broker, queue, "killer")]) == 1
        assert kit.take(kit.consumer(broker, queue), 1)[0].attempt == 1

    @needs(Cap.DEAD_LETTERS)
    def test_a_dropped_dead_letter_is_gone_for_good(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        bury(kit, broker, queue, "gone", "stays")
        chosen = letter_id(broker, queue, "gone")
        assert broker.drop_dead(queue, [chosen, "no-such-id"]) == 1
        assert broker.drop_dead(queue, [chosen]) == 0
        assert dead_ids(broker, queue) == ["stays"]
        assert kit.rest(kit.consumer(broker, queue)) == []

    @needs(Cap.DEAD_LETTERS)
    def test_an_undecodable_dead_letter_keeps_its_bytes(
        self, kit: BrokerKit, broker: Broker, queue: str, put_raw: Callable[[str, bytes], None]
    ) -> None:
        put_raw(queue, b"\x00garbage\xff")
        consumer = kit.consumer(broker, queue)
        assert settle(consumer, kit.take(consumer, 1), Action.DEAD, reason="unreadable") == [True]
        (letter,) = broker.dead_letters(queue)
        assert isinstance(letter.message, Undecodable)
        assert (letter.message.raw, letter.reason) == (b"\x00garbage\xff", "unreadable")

    @needs(Cap.DEAD_LETTERS)
    def test_many_dead_letters_are_requeued_at_once(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        sent = names(min(200, self.many))
        bury(kit, broker, queue, *sent)
        letters = [letter.id for letter in broker.dead_letters(queue, limit=1000)]
        assert len(set(letters)) == len(sent)
        assert broker.requeue_dead(queue, letters) == len(sent)
        assert sorted(ids(kit.take(kit.consumer(broker, queue), len(sent)))) == sent


def bury(kit: BrokerKit, broker: Broker, queue: str, *task_ids: str, reason: str = "why") -> None:
    """Publish these and declare them dead."""
    kit.send(broker, queue, *task_ids)
    consumer = kit.consumer(broker, queue)
    taken = kit.take(consumer, len(task_ids))
    assert settle(consumer, taken, Action.DEAD, reason=reason) == [True] * len(task_ids)


def dead_ids(broker: Broker, queue: str, limit: int = 100) -> list[str]:
    """Task ids of the dead letters, newest first."""
    letters = broker.dead_letters(queue, limit=limit)
    return [str(letter.message.headers["id"]) for letter in letters if isinstance(letter.message, Message)]


def letter_id(broker: Broker, queue: str, task_id: str) -> str:
    """The id of the dead letter of a task."""
    return dict(zip(dead_ids(broker, queue), (each.id for each in broker.dead_letters(queue)), strict=True))[
        task_id
    ]
