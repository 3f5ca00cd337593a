"""The end of a run in place of its holder, who is gone: by the receipt handle that the holder left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tq.errors import EncodeError, PublishError
from tq.records import Action, Delivery, Envelope, Message
from tq_sqs.holding import Holding
from tq_sqs.lent import Lent, read_token
from tq_sqs.letters import Letters
from tq_sqs.messages import parcel_of
from tq_sqs.queues import Queue
from tq_sqs.sending import Sender
from tq_sqs.server import Server

_LONG = 60.0
"""Seconds after which a handle is not worth a try."""


class Ending:
    """Ends runs. Raises `BrokerError`."""

    def __init__(self, server: Server, sender: Sender, letters: Letters) -> None:
        self._server = server
        self._sender = sender
        self._letters = letters

    def end(
        self, queue: Queue, delivery: Delivery, action: Action, reason: str, max_attempts: int
    ) -> Sequence[Delivery]:
        """See `tq.contracts.broker.Broker.end_run`. A crash in the midst leaves a message twice, never none."""
        if not delivery.token or not isinstance(delivery.message, Message):
            return ()
        lent = self._lent(queue, delivery)
        holding = Holding(self._server, self._sender, round(_LONG))
        holding.add([lent])
        if action is not Action.ACK:
            # Where its time was over, others have it, and a copy would be one too many.
            holding.hide([lent], _LONG)
            if not holding.settled(lent.number):
                return ()
        counted = delivery.attempt > 0
        dead = action is Action.DEAD or (counted and delivery.attempt >= max_attempts)
        if action is Action.ACK:
            holding.remove([lent])
        elif dead:
            self._letters.bury(queue, [(lent, reason)])
            holding.remove([lent])
            return [delivery]
        elif counted:
            lent.alone = True
            lent.charge()
            holding.copy([lent], 0.0)
        else:
            holding.hide([lent], 0.0)
        return ()

    def _lent(self, queue: Queue, delivery: Delivery) -> Lent:
        token, message = read_token(delivery.token), delivery.message
        assert isinstance(message, Message)
        try:
            body = parcel_of(
                Envelope(message, queue.name), base64_body=self._server.options.sqs_base64_encoding
            ).body
        except EncodeError as exc:
            raise PublishError(f"a message cannot be written again: {exc}", url=self._server.shown) from exc
        now = time.monotonic()
        attempts = max(1, delivery.attempt)
        return Lent(queue, token.handle, body, token.attributes, token.group, 1, now, now + _LONG, attempts)
