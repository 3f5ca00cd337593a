"""pickle, as kombu writes it: any Python object, and whoever can publish can run code where it is read.

Source: kombu 5.7, `kombu.serialization.register_pickle`.
"""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

from tq.errors import DecodeError, EncodeError

PROTOCOL = 4
"""What every Python since 3.4 reads."""


class PickleSerializer:
    """`pickle`; not safe, so it is read only where `accept_content` names it. Thread-safe, without state."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "pickle"
    content_type: ClassVar[str] = "application/x-python-serialize"
    content_encoding: ClassVar[str] = "binary"
    safe: ClassVar[bool] = False

    def dumps(self, value: Any) -> bytes:
        """Write a value. Raises `EncodeError` with what pickle, or the value's own code, says against it."""
        try:
            return pickle.dumps(value, protocol=PROTOCOL)
        except Exception as exc:  # `__reduce__` and its like are the user's code and may raise anything
            name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
            raise EncodeError(f"cannot pickle the value ({name}): {type(exc).__name__}: {exc}") from exc

    def loads(self, data: bytes) -> Any:
        """Read a value, running whatever it says. Raises `DecodeError` for anything that goes wrong meanwhile."""
        try:
            return pickle.loads(data)
        except Exception as exc:  # bytes that are no pickle make the reader raise anything
            raise DecodeError(f"cannot be unpickled: {type(exc).__name__}: {str(exc)[:500]}") from exc
