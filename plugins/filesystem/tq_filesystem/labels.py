"""Names of files: what is known of a message without opening it, in the order in which messages are handed out.

waiting    <9 - priority>-<arrival, ns>-<number in its batch>-<random>-<attempt>
delayed    <due, ns>-<the same>
lent       <receipt>.<token of the heartbeat, or 0>.<queue>.<waiting>
dead       <died, ns>-<random>.<waiting>
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

import msgspec

from tq.wire.ids import new_id

_PLAIN = re.compile(r"[A-Za-z0-9_%-]{1,80}")
_DIGEST = "%%"
"""Begins the name of a folder whose true name is too long; no quoted text does."""


class Label(msgspec.Struct, frozen=True, order=True):
    """What the name of a waiting message says; smaller is handed out earlier."""

    urgency: int
    arrival: int
    number: int
    mark: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.urgency}-{self.arrival:020}-{self.number:06}-{self.mark}-{self.attempt}"


def new_label(priority: int | None, arrival: int, number: int = 0) -> Label:
    """The label of a new message."""
    return Label(9 - min(max(priority or 0, 0), 9), arrival, number, new_id()[:8], 1)


def read_label(text: str) -> Label | None:
    """Read a name; None for a file that somebody else put there."""
    parts = text.split("-")
    if len(parts) != 5 or not all(parts[i].isdecimal() for i in (0, 1, 2, 4)):
        return None
    return Label(int(parts[0]), int(parts[1]), int(parts[2]), parts[3], int(parts[4]))


class Lent(msgspec.Struct, frozen=True):
    """What the name of a lent message says. `token` is not "0" for the first of a batch."""

    receipt: int
    token: str
    queue_key: str
    label: Label

    def __str__(self) -> str:
        return f"{self.receipt}.{self.token}.{self.queue_key}.{self.label}"


def read_lent(text: str) -> Lent | None:
    """Read a name; None for another file."""
    parts = text.split(".")
    label = read_label(parts[-1])
    if len(parts) != 4 or not parts[0].isdecimal() or label is None:
        return None
    return Lent(int(parts[0]), parts[1], parts[2], label)


def key_of(name: str) -> str:
    """The name of a folder for any text: quoted, or a digest of it."""
    key = quote(name, safe="").replace(".", "%2E").replace("~", "%7E")
    return key if _PLAIN.fullmatch(key) else _DIGEST + hashlib.sha256(name.encode()).hexdigest()[:40]


def with_bytes(text: str) -> str:
    """What an exception says may hold half a surrogate pair, which JSON and file systems do not take."""
    return text.encode("utf-8", "backslashreplace").decode()


def file_name(kind: str, name: str) -> str:
    """`<kind><name>` as Celery calls its files, or a digest where no file can have that name."""
    plain = f"{kind}{name}"
    if "/" in plain or "\0" in plain or plain != with_bytes(plain) or len(plain.encode()) > 200:
        return f"{kind}sha256-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return plain


def name_of(key: str) -> str | None:
    """The text of which this is the key, None for a digest."""
    return None if key.startswith(_DIGEST) else unquote(key)
