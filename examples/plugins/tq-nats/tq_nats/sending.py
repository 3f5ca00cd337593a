"""Messages on their way into the stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from nats.aio.client import Client
from tq.errors import BrokerUnavailable, EncodeError, PublishError
from tq.records import Envelope
from tq.wire.envelope import pack
from tq.wire.ids import new_id

from tq_nats.faults import EXPECTED, explain
from tq_nats.link import Link
from tq_nats.stream import ask
from tq_nats.subjects import Subjects

LARGEST = 700_000
"""Bytes of a body. It grows by a third on its way, and a dead letter has its reason beside it: a megabyte in all,
which is the most that NATS takes unless told otherwise."""


class Sender:
    """Publishes, and waits until the server has stored it."""

    def __init__(self, link: Link, stream: str) -> None:
        self._link = link
        self._stream = stream

    def publish(self, batch: Sequence[Envelope], seconds: float) -> list[Exception | None]:
        """One answer for each. Raises `BrokerUnavailable` where none came through."""
        answers: list[Exception | None] = [None] * len(batch)
        packed: list[tuple[int, Envelope, bytes]] = []
        for at, envelope in enumerate(batch):
            try:
                packed.append((at, envelope, self._packed(envelope)))
            except (EncodeError, PublishError) as exc:
                answers[at] = exc
        if packed:
            sent = self._link.run("publish", partial(self._send_all, packed), seconds)
            for (at, _, _), answer in zip(packed, sent, strict=True):
                answers[at] = answer
            away = [answer for answer in sent if isinstance(answer, BrokerUnavailable)]
            if away and len(away) == len(batch):
                raise away[0]
        return answers

    def _packed(self, envelope: Envelope) -> bytes:
        if len(envelope.message.body) > LARGEST:
            raise PublishError(
                f"the body of task {envelope.message.headers.get('id')} has {len(envelope.message.body)} bytes, and "
                f"tq-nats takes {LARGEST}: put large values into a store, and send where they lie",
                url=self._link.shown,
            )
        return pack(envelope)

    async def _send_all(
        self, packed: list[tuple[int, Envelope, bytes]], client: Client
    ) -> list[Exception | None]:
        return await asyncio.gather(*(self._send(client, envelope, raw) for _, envelope, raw in packed))

    async def _send(self, client: Client, envelope: Envelope, raw: bytes) -> Exception | None:
        subjects = Subjects(self._stream, envelope.queue)
        subject, headers = subjects.ready, None
        if envelope.delay > 0:
            due = datetime.fromtimestamp(time.time() + self._link.ahead + envelope.delay, UTC)
            subject = subjects.later(new_id())
            headers = {
                "Nats-Schedule": f"@at {due.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}",
                "Nats-Schedule-Target": subjects.ready,
            }
        try:
            await ask(client, subject, raw, headers)
        except EXPECTED as exc:
            error = explain("publish", exc, self._link.shown)
            return error if isinstance(error, BrokerUnavailable) else PublishError(str(error), url=error.url)
        return None
