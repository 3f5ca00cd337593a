"""MessagePack, in the form of kombu: text and bytes are told apart, all else is what JSON has.

Source: kombu 5.7, `kombu.serialization.register_msgpack`; https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgpack  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tq.errors import DecodeError, EncodeError


class MsgpackSerializer:
    """`msgpack`. Thread-safe, without state. Tuples become lists."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "msgpack"
    content_type: ClassVar[str] = "application/x-msgpack"
    content_encoding: ClassVar[str] = "binary"
    safe: ClassVar[bool] = True

    def dumps(self, value: Any) -> bytes:
        """Write a value. Raises `EncodeError`, naming the type that has no form here."""
        try:
            packed: bytes = msgpack.packb(value, use_bin_type=True, default=_no_form)
        except RecursionError as exc:
            raise EncodeError("the value holds itself or is nested too deeply for msgpack") from exc
        except (TypeError, ValueError, OverflowError) as exc:
            raise EncodeError(f"cannot write the value as msgpack: {exc}") from exc
        return packed

    def loads(self, data: bytes) -> Any:
        """Read one value. Raises `DecodeError` for anything that is not well-formed."""
        try:
            # Keys may be numbers, which msgpack writes as such. kombu writes them as well, and refuses to read them.
            return msgpack.unpackb(data, raw=False, strict_map_key=False)
        except (msgpack.UnpackException, ValueError, TypeError, OverflowError, RecursionError) as exc:
            raise DecodeError(f"not readable as msgpack: {type(exc).__name__}: {str(exc)[:500]}") from exc


def _no_form(value: Any) -> Any:
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise TypeError(f"{name} has no msgpack form; convert it first, or use the serializer json or yaml")
