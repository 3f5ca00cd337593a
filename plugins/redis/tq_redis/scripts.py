"""The Lua scripts: each is one atomic move. They lie beside this file, in `lua/`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from tq_redis.link import Refused, pack


class Script:
    """One script. `lua/common.lua` is put before it."""

    def __init__(self, name: str) -> None:
        folder = files("tq_redis") / "lua"
        parts = [(folder / f"{part}.lua").read_text("utf-8") for part in ("common", name)]
        self._text = "".join(parts).encode()
        self._sha = hashlib.sha1(self._text, usedforsecurity=False).hexdigest().encode()

    def command(self, keys: Sequence[Any], args: Sequence[Any]) -> bytes:
        """The call by hash, which the server answers with NOSCRIPT where it does not know it."""
        return pack((b"EVALSHA", self._sha, len(keys), *keys, *args))

    def source(self, keys: Sequence[Any], args: Sequence[Any]) -> bytes:
        """The call with the whole text, after which the server knows it."""
        return pack((b"EVAL", self._text, len(keys), *keys, *args))

    def unknown(self, reply: Any) -> bool:
        """Whether the server did not know the script, and so did nothing."""
        return isinstance(reply, Refused) and reply.text.startswith("NOSCRIPT")


TURN = Script("turn")
RESYNC = Script("resync")
PUBLISH = Script("publish")
REGISTER = Script("register")
HEARTBEAT = Script("heartbeat")
PROMOTE = Script("promote")
REAP = Script("reap")
PURGE = Script("purge")
AGES = Script("ages")
REVIVE = Script("revive")
REVOKE = Script("revoke")
REVOKED = Script("revoked")
UNLOCK = Script("unlock")
STORE = Script("store")
PART = Script("part")
GROUP = Script("group")
