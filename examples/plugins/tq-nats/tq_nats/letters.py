"""Dead letters: each under a subject of its own, in the same stream. No consumer reads them, so they stay."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Sequence

import msgspec
from nats.aio.client import Client
from tq.records import DeadLetter
from tq.wire.envelope import unpack
from tq.wire.ids import new_id

from tq_nats.link import Link
from tq_nats.stream import api, ask, find, moment
from tq_nats.subjects import Subjects

_ID = re.compile(r"[0-9]{20}-[0-9a-f-]+")
"""What an id looks like. Anything else never becomes part of a subject, where `*` would stand for all."""
_LONGEST_REASON = 4000


class _Stored(msgspec.Struct, frozen=True):
    seq: int
    raw: bytes
    letter: DeadLetter


class Letters:
    """The dead letters of all queues. In the stream: the reason as JSON, a line feed, the message as it was."""

    def __init__(self, link: Link, stream: str) -> None:
        self._link = link
        self._stream = stream

    async def bury(self, client: Client, queue: str, raw: bytes, reason: str) -> None:
        """Store one; `raw` is the message as it lay in the queue."""
        micros = round((time.time() + self._link.ahead) * 1e6)
        subject = Subjects(self._stream, queue).dead(f"{micros:020d}-{new_id()}")
        await ask(client, subject, msgspec.json.encode(reason[:_LONGEST_REASON]) + b"\n" + raw)

    def read(self, queue: str, limit: int) -> list[DeadLetter]:
        """The newest ones, newest first."""
        everything = Subjects(self._stream, queue).dead("*")

        async def job(client: Client) -> list[DeadLetter]:
            info = await api(client, f"STREAM.INFO.{self._stream}", subjects_filter=everything)
            newest = sorted(info["state"].get("subjects") or (), reverse=True)[:limit]
            numbers = [subject.rpartition(".")[2] for subject in newest]
            found = await asyncio.gather(*(self._get(client, queue, number) for number in numbers))
            stored = sorted((each for each in found if each), key=lambda each: each.seq, reverse=True)
            return [each.letter for each in stored]

        return self._link.run(f"read the dead letters of {queue!r}", job)

    def requeue(self, queue: str, ids: Sequence[str]) -> int:
        """Put these back. Whoever is killed in between leaves one in both places, and none in neither."""

        async def job(client: Client) -> int:
            return sum(await asyncio.gather(*(self._requeue(client, queue, each) for each in _good(ids))))

        return self._link.run(f"requeue dead letters of {queue!r}", job)

    def drop(self, queue: str, ids: Sequence[str]) -> int:
        """Remove these."""

        async def job(client: Client) -> int:
            return sum(await asyncio.gather(*(self._drop(client, queue, each) for each in _good(ids))))

        return self._link.run(f"drop dead letters of {queue!r}", job)

    async def _requeue(self, client: Client, queue: str, number: str) -> int:
        stored = await self._get(client, queue, number)
        if stored is None:
            return 0
        # By this header the server knows a second one who puts the same letter back at the same time.
        await ask(client, Subjects(self._stream, queue).ready, stored.raw, {"Nats-Msg-Id": number})
        return await self._drop(client, queue, number)

    async def _drop(self, client: Client, queue: str, number: str) -> int:
        subject = Subjects(self._stream, queue).dead(number)
        answer = await api(client, f"STREAM.PURGE.{self._stream}", filter=subject)
        return int(answer["purged"])

    async def _get(self, client: Client, queue: str, number: str) -> _Stored | None:
        subject = Subjects(self._stream, queue).dead(number)
        answer = await find(client, f"STREAM.MSG.GET.{self._stream}", last_by_subj=subject)
        if answer is None:
            return None
        message = answer["message"]
        why, _, raw = base64.b64decode(message["data"]).partition(b"\n")
        reason = msgspec.json.decode(why, type=str)
        letter = DeadLetter(number, queue, reason, moment(message["time"]), unpack(raw))
        return _Stored(message["seq"], raw, letter)


def _good(ids: Sequence[str]) -> list[str]:
    return [each for each in dict.fromkeys(ids) if _ID.fullmatch(each)]
