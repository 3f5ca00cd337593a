"""Compressed message bodies, under the content types that kombu gives them.

`gzip` and `zlib` are one method: a bare zlib stream that is called `application/x-gzip`.
Source: kombu 5.7, `kombu.compression`.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from typing import Any, Protocol

from tq.errors import DecodeError, EncodeError, SerializationError

_CONTENT_TYPES = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "zstd": "application/zstd",
    "zstandard": "application/zstd",
    "brotli": "application/x-brotli",
}
_WINDOW = 16 * 2**20
"""Bytes a decompressor may use besides its output: enough for what the writers' default levels need."""


class _Stream(Protocol):
    """What zlib, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def compress(data: bytes, method: str) -> tuple[bytes, str]:
    """Compress by a method's name or content type; returns the bytes and the content type.

    Raises `EncodeError` for an unknown method and for one whose package is not installed.
    """
    content_type = _CONTENT_TYPES.get(method, method)
    if content_type == "application/x-gzip":
        return zlib.compress(data), content_type
    if content_type == "application/x-bz2":
        return bz2.compress(data), content_type
    if content_type == "application/x-lzma":
        return lzma.compress(data), content_type
    if content_type == "application/zstd":
        return bytes(_zstandard(EncodeError).ZstdCompressor().compress(data)), content_type
    if content_type == "application/x-brotli":
        return bytes(_brotli(EncodeError).compress(data)), content_type
    raise EncodeError(_unknown(method))


def decompress(data: bytes, content_type: str, *, limit: int) -> bytes:
    """Decompress one complete stream of at most `limit` bytes of output.

    Memory stays near `limit` whatever the input claims. Raises `DecodeError` for more output than that, for
    damaged, incomplete or trailing data, and for an unknown or not installed method.
    """
    method = _CONTENT_TYPES.get(content_type, content_type)
    try:
        if method == "application/zstd":
            return _read_zstd(data, limit)
        if method == "application/x-brotli":
            return _read_brotli(data, limit)
        return _read_stream(_stream(method, limit), data, method, limit)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as exc:
        raise DecodeError(f"the body cannot be read as {method}: {exc}") from exc


def _stream(method: str, limit: int) -> _Stream:
    if method == "application/x-gzip":
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # also with gzip's own header, as the name says
    if method == "application/x-bz2":
        return bz2.BZ2Decompressor()
    if method == "application/x-lzma":
        return lzma.LZMADecompressor(memlimit=limit + _WINDOW)
    raise DecodeError(_unknown(method))


def _read_stream(stream: _Stream, data: bytes, method: str, limit: int) -> bytes:
    out = stream.decompress(data, limit + 1)
    if len(out) > limit:
        raise _too_large(method, limit)
    if not stream.eof:
        raise DecodeError(f"the {method} stream is incomplete: it ends after {len(out)} bytes of output")
    if stream.unused_data:
        raise DecodeError(f"{len(stream.unused_data)} bytes follow the end of the {method} stream")
    return out


def _read_zstd(data: bytes, limit: int) -> bytes:
    zstandard = _zstandard(DecodeError)
    try:
        # The frame's header is the sender's claim and sizes a buffer, so it is checked first.
        claimed = zstandard.frame_content_size(data)
        if claimed > limit:
            raise _too_large("application/zstd", limit)
        reader = zstandard.ZstdDecompressor(max_window_size=max(limit, _WINDOW))
        out = bytes(reader.decompress(data, max_output_size=limit + 1, allow_extra_data=False))
    except zstandard.ZstdError as exc:
        raise DecodeError(
            f"the body is not one complete application/zstd frame of at most {limit} bytes: {exc}"
        ) from exc
    if len(out) > limit:
        raise _too_large("application/zstd", limit)
    return out


def _read_brotli(data: bytes, limit: int) -> bytes:
    brotli = _brotli(DecodeError)
    reader = brotli.Decompressor()
    try:
        # It stops at some multiple of 32 KiB beyond the bound, and refuses what follows the end of the stream.
        out = bytes(reader.process(data, output_buffer_limit=limit + 1))
    except brotli.error as exc:
        raise DecodeError(f"the body cannot be read as application/x-brotli: {exc}") from exc
    if len(out) > limit:
        raise _too_large("application/x-brotli", limit)
    if not reader.is_finished():
        raise DecodeError(
            f"the application/x-brotli stream is incomplete: it ends after {len(out)} bytes of output"
        )
    return out


def _zstandard(error: type[SerializationError]) -> Any:
    return _package("zstandard", "zstd", error)


def _brotli(error: type[SerializationError]) -> Any:
    return _package("brotli", "brotli", error)


def _package(module: str, extra: str, error: type[SerializationError]) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise error(f'{extra} compression needs its package: pip install "tq-core[{extra}]"') from exc


def _too_large(method: str, limit: int) -> DecodeError:
    return DecodeError(f"the {method} body grows beyond the limit of {limit} bytes when decompressed")


def _unknown(method: str) -> str:
    return f"unknown compression {method[:100]!r}; known: {', '.join(_CONTENT_TYPES)}"
