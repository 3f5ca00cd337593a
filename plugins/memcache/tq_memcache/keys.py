"""Keys and lifetimes as memcached wants them."""

from __future__ import annotations

import hashlib
import math
import re
import time

from tq.errors import ImproperlyConfigured

LONGEST_KEY = 250
LONGEST_RELATIVE = 30 * 24 * 3600
"""Seconds; memcached takes any greater lifetime for a moment since 1970. Source: memcached, `protocol.txt`."""
_PLAIN = re.compile(r"[!-~]*")


class Keys:
    """The keys of one backend: Celery's where memcached can hold them, else the prefix and a digest.

    `outer` is what the client itself puts before each key. Raises `ImproperlyConfigured` for prefixes that no
    key can have.
    """

    def __init__(self, prefix: str, outer: str) -> None:
        # Celery's rule: a prefix that ends like a word is set off.
        self.prefix = prefix if not prefix or prefix[-1] in ":_-." else f"{prefix}_"
        for text in (prefix, outer):
            if not _PLAIN.fullmatch(text):
                raise ImproperlyConfigured(
                    f"the key prefix {text!r} has characters that no memcached key can have"
                )
        self._room = LONGEST_KEY - len(self.prefix) - len(outer)
        if self._room < 120:
            raise ImproperlyConfigured(f"the key prefixes {prefix!r} and {outer!r} leave no room for keys")

    def of(self, kind: str, name: str) -> str:
        """The key `<prefix><kind><name>`."""
        if _PLAIN.fullmatch(name) and len(kind) + len(name) <= self._room:
            return f"{self.prefix}{kind}{name}"
        return f"{self.prefix}{kind}sha256-{digest(name)}"


def digest(text: str) -> str:
    """What stands for a text that is no key itself."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def lifetime(expires: float | None) -> int:
    """The `exptime` of a command; 0 is for ever."""
    if not expires:
        return 0
    # memcached counts ticks of a second, of which the first may be over at once.
    seconds = math.ceil(expires) + 1
    return seconds if seconds <= LONGEST_RELATIVE else int(time.time()) + seconds
