"""Settlements: what follows is sent first, then the message goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tq.errors import EncodeError, PublishError
from tq.records import Action, Envelope, Settlement
from tq_sqs.holding import Holding
from tq_sqs.lent import Lent
from tq_sqs.letters import Letters
from tq_sqs.server import SECONDS

Publish = Callable[[Sequence[Envelope], float], Sequence[Exception | None]]
Held = tuple[Settlement, Lent]


class Settling:
    """Settles what is held. `publish` takes envelopes and a moment of `time.monotonic`."""

    def __init__(self, holding: Holding, letters: Letters, publish: Publish) -> None:
        self._holding = holding
        self._letters = letters
        self._publish = publish

    def settle(self, batch: Sequence[Settlement]) -> list[bool]:
        """See `tq.contracts.broker.Consumer.settle`."""
        held: dict[int, Held] = {}
        for settlement in batch:
            number = int(settlement.delivery.receipt)
            lent = self._holding.get(number)
            if lent is not None:
                held.setdefault(number, (settlement, lent))
        error = self._send_what_follows(list(held.values()))
        ready = [(settlement, lent) for settlement, lent in held.values() if lent.published]
        self._holding.remove([lent for settlement, lent in ready if settlement.action is Action.ACK])
        self._requeue([each for each in ready if each[0].action is Action.REQUEUE])
        self._dead([each for each in ready if each[0].action is Action.DEAD])
        if error is not None:
            raise error
        return [self._holding.settled(int(settlement.delivery.receipt)) for settlement in batch]

    def _send_what_follows(self, held: Sequence[Held]) -> Exception | None:
        """Mark those whose follow-ups are all accepted; the first error of the others."""
        waiting = [each for each in held if not each[1].published]
        follow_ups = [envelope for settlement, _ in waiting for envelope in settlement.publish]
        answers = iter(self._publish(follow_ups, time.monotonic() + SECONDS) if follow_ups else ())
        first: Exception | None = None
        for settlement, lent in waiting:
            errors = [answer for answer in (next(answers) for _ in settlement.publish) if answer is not None]
            lent.published = not errors
            first = first or next(iter(errors), None)
        if isinstance(first, EncodeError):
            return PublishError(f"a follow-up message cannot be written: {first}")
        return first

    def _dead(self, held: Sequence[Held]) -> None:
        for queue in dict.fromkeys(lent.queue for _, lent in held):
            same = [(lent, settlement.reason) for settlement, lent in held if lent.queue == queue]
            self._letters.bury(queue, same)
        self._holding.remove([lent for _, lent in held])

    def _requeue(self, held: Sequence[Held]) -> None:
        for delay in dict.fromkeys(settlement.delay for settlement, _ in held):
            self._holding.give_back([lent for settlement, lent in held if settlement.delay == delay], delay)
