"""Small data that grows: refused at the limit, with memory near the limit, in a process that may have no more."""

from __future__ import annotations

import bz2
import json
import lzma
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tq.errors import DecodeError
from tq.records import Message
from tq.wire.json import JsonSerializer
from tq.wire.protocol import read_task

GROWN = 256 * 2**20
"""Bytes that each bomb becomes."""
LIMIT = 8 * 2**20
SPARE = 96 * 2**20
"""Bytes of memory that the reading process may take on top of what it has before it reads."""
READER = """
import resource, sys
from tq.errors import DecodeError
from tq.records import Message
from tq.wire.json import JsonSerializer
from tq.wire.protocol import read_task
try:
    import zstandard
except ImportError:
    pass
with open(sys.argv[1], "rb") as file:
    body = file.read()
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[3]), resource.RLIM_INFINITY))
message = Message({"task": "t", "id": "i", "compression": sys.argv[2]}, {}, body)
try:
    read_task(message, {"application/json": JsonSerializer()}, size_limit=int(sys.argv[4]))
except DecodeError as exc:
    print("refused:", exc)
"""


def zlib_bomb() -> bytes:
    packer = zlib.compressobj(9)
    return _streamed(packer.compress, packer.flush)


def bz2_bomb() -> bytes:
    packer = bz2.BZ2Compressor(9)
    return _streamed(packer.compress, packer.flush)


def lzma_bomb() -> bytes:
    packer = lzma.LZMACompressor(preset=0)
    return _streamed(packer.compress, packer.flush)


def lzma_dictionary() -> bytes:
    """Little data, for which the reader is told to take a dictionary of 2 GiB."""
    packed = lzma.compress(b" " * LIMIT, format=lzma.FORMAT_ALONE)
    return packed[:1] + struct.pack("<I", 2**31) + packed[5:]


def zstd_bomb() -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstd is an extra of tq-core")
    packer = zstandard.ZstdCompressor().compressobj()
    return _streamed(packer.compress, packer.flush)


def zstd_claim() -> bytes:
    """A header that claims more content than there is."""
    zstandard = pytest.importorskip("zstandard", reason="zstd is an extra of tq-core")
    packer = zstandard.ZstdCompressor().compressobj(size=GROWN)
    return bytes(packer.compress(b"x" * 2**20))


def brotli_bomb() -> bytes:
    brotli = pytest.importorskip("brotli", reason="brotli is an extra of tq-core")
    packer = brotli.Compressor(quality=1)
    return _streamed(packer.process, packer.finish)


def _streamed(compress: Callable[[bytes], bytes], flush: Callable[[], bytes]) -> bytes:
    block = b" " * 2**20
    return b"".join([*(compress(block) for _ in range(GROWN // len(block))), flush()])


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
@pytest.mark.parametrize(
    ("method", "bomb"),
    [
        ("application/x-gzip", zlib_bomb),
        ("application/x-bz2", bz2_bomb),
        ("application/x-lzma", lzma_bomb),
        ("application/x-lzma", lzma_dictionary),
        ("application/zstd", zstd_bomb),
        ("application/zstd", zstd_claim),
        ("application/x-brotli", brotli_bomb),
    ],
)
def test_a_bomb_is_refused_within_the_limit(method: str, bomb: Callable[[], bytes], tmp_path: Path) -> None:
    file = tmp_path / "bomb"
    file.write_bytes(bomb())
    assert file.stat().st_size < GROWN / 100
    arguments = [str(file), method, str(SPARE), str(LIMIT)]
    done = subprocess.run(
        [sys.executable, "-c", READER, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("refused:")
    assert str(LIMIT) in done.stdout or "limit" in done.stdout


def test_a_body_above_the_limit_is_refused_without_compression_too() -> None:
    body = json.dumps([["x" * 1000], {}, {}]).encode()
    readers = {"application/json": JsonSerializer()}
    message = Message({"task": "t", "id": "i"}, {}, body)
    assert read_task(message, readers, size_limit=len(body)).task == "t"
    with pytest.raises(
        DecodeError, match=f"has {len(body)} bytes, and message_size_limit is {len(body) - 1}"
    ):
        read_task(message, readers, size_limit=len(body) - 1)
