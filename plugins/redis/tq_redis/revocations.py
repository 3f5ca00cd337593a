"""Revocations: kept for a while under running versions, so that workers ask only for what is new."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.records import Revocation
from tq_redis.keys import Layout
from tq_redis.lives import milliseconds
from tq_redis.scripts import REVOKE, REVOKED
from tq_redis.server import Server

_SLICE = 256


class Revocations:
    """The revocations of one broker's database."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server = server
        self._keys = layout.revocations()

    def add(self, batch: Sequence[Revocation], expires: float) -> None:
        """Remember these for `expires` seconds."""
        for at in range(0, len(batch), _SLICE):
            members = [msgspec.json.encode(each) for each in batch[at : at + _SLICE]]
            self._server.run(REVOKE, self._keys, [milliseconds(expires), *members], "revoke tasks")

    def after(self, version: int) -> tuple[int, list[Revocation]]:
        """The newest version, and what was written after `version`."""
        newest, *members = self._server.run(REVOKED, self._keys, [version], "read revoked tasks")
        return int(newest), [msgspec.json.decode(member, type=Revocation) for member in members]
