"""Announcements: Redis channels, as kombu names them, and short-lived lists for replies.

A fanout is the channel `/DB.EXCHANGE`, a topic `/DB.EXCHANGE/ROUTING.KEY`, both with pub/sub. A fanout whose listeners
are bound with a key is announced at `/DB.EXCHANGE/KEY`, where kombu listens, and heard in both places. A direct channel
is the list `KEY.EXCHANGE`, which a set of bindings names to kombu's senders. Source: kombu 5.7,
`kombu.transport.redis`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

from tq.contracts.subscription import MOST_HEARD
from tq.errors import EncodeError, PublishError
from tq.records import Channel, Notice
from tq.wire.envelope import pack_notice
from tq.wire.topics import matcher
from tq_redis.link import Down, Refused, pack
from tq_redis.listening import ChannelSubscription, RedisSubscription, ReplySubscription
from tq_redis.server import Server

UNREAD: Final = 10_000
"""Milliseconds that replies wait for a reader."""
_DOING: Final = "announce"
_BOUND: Final = 3_600_000
"""Milliseconds after which kombu may sweep a set of bindings that nobody has refreshed."""


class Announcing:
    """Announces and listens in one broker's database."""

    def __init__(self, server: Server, prefix: str, sep: str) -> None:
        self._server = server
        self._prefix = prefix
        self._sep = sep

    def announce(self, batch: Sequence[Notice], until: float) -> list[Exception | None]:
        """See `Broker.announce`."""
        answers: list[Exception | None] = []
        commands: list[bytes] = []
        counts: list[int] = []
        for notice in batch:
            try:
                made = self._commands(notice)
            except EncodeError as exc:
                answers.append(PublishError(str(exc), url=self._server.shown))
                continue
            answers.append(None)
            counts.append(len(made))
            commands += made
        if commands:
            self._send(commands, counts, answers, until)
        return answers

    def is_heard(self, notice: Notice, until: float) -> bool:
        """See `Broker.is_heard`: by what `PUBLISH` answers. A list of replies may have a reader to come."""
        if notice.channel.kind == "direct":
            return True
        try:
            (answer,) = self._call(self._commands(notice), until)
        except EncodeError as exc:
            raise PublishError(str(exc), url=self._server.shown) from exc
        if isinstance(answer, Refused):
            raise self._server.fail(answer, _DOING)
        return bool(answer)

    def subscribe(self, channel: Channel, pattern: str) -> RedisSubscription:
        """See `Broker.subscribe`."""
        if channel.kind == "direct":
            key = self._key(channel, pattern)
            return ReplySubscription(self._server, key, *self._binding(channel, pattern))
        name = self._channel(channel, "")
        if channel.kind == "fanout":
            names = dict.fromkeys((name, self._channel(channel, "", plain=True)))
            return ChannelSubscription(self._server, *(pack((b"SUBSCRIBE", each)) for each in names))
        if not set("*#") & set(pattern):
            return ChannelSubscription(self._server, pack((b"SUBSCRIBE", f"{name}/{pattern}")))
        wanted = pack((b"PSUBSCRIBE", f"{_escaped(name)}/{_glob(pattern)}"))
        return ChannelSubscription(self._server, wanted, hears=matcher(pattern))

    def _send(
        self, commands: Sequence[bytes], counts: Sequence[int], answers: list[Exception | None], until: float
    ) -> None:
        waiting = iter(self._call(commands, until))
        said = [at for at, answer in enumerate(answers) if answer is None]
        for at, count in zip(said, counts, strict=True):
            wrong = [reply for reply in (next(waiting) for _ in range(count)) if isinstance(reply, Refused)]
            answers[at] = self._server.fail(wrong[0], _DOING) if wrong else None

    def _call(self, commands: Sequence[bytes], until: float) -> Sequence[object]:
        try:
            return self._server.pool.call(b"".join(commands), len(commands), until)
        except (Down, Refused) as exc:
            raise self._server.fail(exc, _DOING) from exc

    def _commands(self, notice: Notice) -> list[bytes]:
        raw = pack_notice(notice)
        if notice.channel.kind != "direct":
            return [pack((b"PUBLISH", self._channel(notice.channel, notice.routing_key), raw))]
        key = self._key(notice.channel, notice.routing_key)
        return [
            pack((b"LPUSH", key, raw)),
            pack((b"LTRIM", key, 0, MOST_HEARD - 1)),
            pack((b"PEXPIRE", key, UNREAD)),
        ]

    def _channel(self, channel: Channel, routing_key: str, *, plain: bool = False) -> str:
        name = f"{self._prefix}/{self._server.address.db}.{channel.name}"
        key = routing_key if channel.kind == "topic" else channel.key
        return f"{name}/{key}" if key and not plain else name

    def _key(self, channel: Channel, routing_key: str) -> str:
        return f"{self._prefix}{routing_key}.{channel.name}"

    def _binding(self, channel: Channel, pattern: str) -> tuple[list[bytes], list[bytes]]:
        """The commands that tell kombu's senders of the list, and those that take it back."""
        name = f"{self._prefix}_kombu.binding.{channel.name}"
        member = self._sep.join((pattern, "", f"{pattern}.{channel.name}"))
        until = round(time.time() * 1000) + _BOUND
        bind = [
            pack((b"SADD", name, member)),
            pack((b"ZADD", f"{self._prefix}_kombu.binding_deadlines", b"GT", until, channel.name)),
        ]
        return bind, [pack((b"SREM", name, member))]


def _glob(pattern: str) -> str:
    """A pattern of Redis that matches at least what this one does."""
    # A `#` may stand for no word, and takes its dot along then.
    parts = re.split(r"\.#|#\.|#|\*", pattern)
    return "*".join(_escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in "*?[]\\^" else each for each in text)
