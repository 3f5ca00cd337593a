"""From a queue's name to the name that SQS takes.

Dots become dashes, other punctuation becomes underscores, `.fifo` at the end stays. Source: kombu 5.7,
`kombu.transport.SQS.Channel.entity_name`. What SQS would refuse even then (other letters, more than 80
characters) is replaced and set apart by a checksum, so that different names remain different queues.
"""

from __future__ import annotations

import hashlib
import re
import string

FIFO = ".fifo"
_LONGEST = 80
_TABLE = {ord(c): "_" for c in string.punctuation if c not in "-_."} | {ord("."): "-"}
_REFUSED = re.compile(r"[^A-Za-z0-9_-]")


def sqs_name(name: str, prefix: str = "", suffix: str = "") -> str:
    """The name in SQS of a queue, or with `suffix` of one that belongs to it."""
    full = prefix + name
    end = FIFO if full.endswith(FIFO) else ""
    plain = full.removesuffix(FIFO).translate(_TABLE)
    longest = _LONGEST - len(end) - len(suffix)
    legal = _REFUSED.sub("_", plain)
    if legal != plain or len(legal) > longest:
        checksum = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        legal = f"{legal[: longest - 9]}-{checksum}"
    return legal + suffix + end
