"""Publish: pushes in bulk, one script where more than a push is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tq.errors import PublishError
from tq.records import Envelope
from tq.wire.locks import locked
from tq_redis.link import Down, Refused, pack
from tq_redis.lives import milliseconds
from tq_redis.outgoing import Outbox, Outgoing, unique_texts
from tq_redis.scripts import PUBLISH
from tq_redis.server import Server

_COUNT = 256
_BYTES = 512 * 1024
"""Most messages and bytes in one command: longer ones would hold up every other client of the server."""
_WRITE = 4 * 1024 * 1024
"""Bytes after which replies are read before more is written."""


class _Command:
    """One command, and which messages of the batch it carries."""

    def __init__(
        self, places: list[int], data: bytes, source: Callable[[], bytes] | None, again: bool
    ) -> None:
        self.places = places
        self.data = data
        self.source = source
        """The command with the whole script, for a server that does not know it."""
        self.again = again


class Publisher:
    """Publishes for one broker."""

    def __init__(self, server: Server, outbox: Outbox) -> None:
        self._server = server
        self._pool = server.pool
        self._outbox = outbox

    def publish(self, batch: Sequence[Envelope], until: float) -> list[Exception | None]:
        """See `Broker.publish`."""
        if len(batch) == 1:
            return [self._publish_one(batch, until)]
        answer: list[Exception | None] = [None] * len(batch)
        prepared: list[tuple[int, Outgoing]] = []
        for place, envelope in enumerate(batch):
            try:
                prepared.append((place, self._outbox.prepare(envelope)))
            except PublishError as exc:
                answer[place] = exc
        for commands in _writes(list(_commands(prepared))):
            self._send(commands, until, answer, batch)
        return answer

    def _publish_one(self, batch: Sequence[Envelope], until: float) -> Exception | None:
        """The usual call, without what only several need."""
        envelope = batch[0]
        try:
            out = self._outbox.prepare(envelope)
        except PublishError as exc:
            return exc
        if not out.simple:
            answer: list[Exception | None] = [None]
            self._send([_script([(0, out)])], until, answer, batch)
            return answer[0]
        try:
            (reply,) = self._pool.call(pack((b"LPUSH", out.keys.plain, out.data)), 1, until)
        except (Down, Refused) as exc:
            raise self._server.fail(exc, f"publish to queue {envelope.queue!r}") from exc
        return self._refused(reply, envelope) if isinstance(reply, Refused) else None

    def _send(
        self,
        commands: list[_Command],
        until: float,
        answer: list[Exception | None],
        batch: Sequence[Envelope],
    ) -> None:
        again = all(command.again for command in commands)
        try:
            replies = self._pool.call(b"".join(c.data for c in commands), len(commands), until, again=again)
            for command, reply in zip(commands, replies, strict=True):
                if isinstance(reply, Refused) and reply.text.startswith("NOSCRIPT") and command.source:
                    (reply,) = self._pool.call(command.source(), 1, until, again=again)
                if isinstance(reply, Refused):
                    for place in command.places:
                        answer[place] = self._refused(reply, batch[place])
                elif isinstance(reply, list):
                    self._note_locked(command.places, reply, answer, batch)
        except (Down, Refused) as exc:
            raise self._server.fail(exc, f"publish to queue {batch[commands[0].places[0]].queue!r}") from exc

    def _note_locked(
        self, places: list[int], reply: list[Any], answer: list[Exception | None], batch: Sequence[Envelope]
    ) -> None:
        for place, each in zip(places, reply, strict=True):
            if isinstance(each, bytes):
                answer[place] = locked(batch[place], each.decode(), self._server.shown)

    def _refused(self, reply: Refused, envelope: Envelope) -> Exception:
        error = self._server.fail(reply, f"publish to queue {envelope.queue!r}")
        return PublishError(str(error), url=getattr(error, "url", ""))


def _commands(prepared: list[tuple[int, Outgoing]]) -> Iterator[_Command]:
    """Group what goes one way. The order within a list is kept: where a marked message goes into the plain
    list, the others of that queue go with it."""
    mixed = {
        out.keys.name for _, out in prepared if (out.mark or out.lock) and not out.code and not out.delay_ms
    }
    groups: dict[tuple[str, bool], list[tuple[int, Outgoing]]] = {}
    for place, out in prepared:
        simple = out.simple and out.keys.name not in mixed
        groups.setdefault((out.keys.name, simple), []).append((place, out))
    for (_, simple), group in groups.items():
        for part in _slices(group):
            yield _push(part) if simple else _script(part)


def _slices(group: list[tuple[int, Outgoing]]) -> Iterator[list[tuple[int, Outgoing]]]:
    part: list[tuple[int, Outgoing]] = []
    size = 0
    for item in group:
        if part and (len(part) == _COUNT or size + len(item[1].data) > _BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item[1].data)
    if part:
        yield part


def _push(part: list[tuple[int, Outgoing]]) -> _Command:
    data = pack((b"LPUSH", part[0][1].keys.plain, *(out.data for _, out in part)))
    return _Command([place for place, _ in part], data, None, False)


def _script(part: list[tuple[int, Outgoing]]) -> _Command:
    queue = part[0][1].keys
    keys, args = [queue.delayed], list[Any]((queue.wake,))
    for (_, out), text in zip(part, unique_texts(len(part)), strict=True):
        keys += [queue.lists[out.code], *([out.mark] if out.mark else ())]
        args += [out.delay_ms, out.code, text, 1 if out.mark else 0, out.data]
        if out.lock is None:
            args += ["", 0]
        else:
            keys.append(queue.lock(out.lock.key))
            args += [out.lock.owner, milliseconds(out.lock.seconds)]
    # A mark makes a second time harmless.
    again = all(out.mark for _, out in part)
    places = [place for place, _ in part]
    return _Command(places, PUBLISH.command(keys, args), partial(PUBLISH.source, keys, args), again)


def _writes(commands: list[_Command]) -> Iterator[list[_Command]]:
    write: list[_Command] = []
    size = 0
    for command in commands:
        if write and size + len(command.data) > _WRITE:
            yield write
            write, size = [], 0
        write.append(command)
        size += len(command.data)
    if write:
        yield write
