"""Bodies are compressed as kombu does it, and a hostile body cannot eat the memory."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import DecodeError, EncodeError
from tq.wire.compression import compress, decompress

CONTENT_TYPES = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "zstd": "application/zstd",
    "brotli": "application/x-brotli",
}
EXTRAS = {"zstd": "zstandard", "brotli": "brotli"}
METHODS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None,
            reason=f"{name} needs the extra tq-core[{name}]",
        ),
    )
    for name in CONTENT_TYPES
]
MIB = 2**20
every_method = pytest.mark.parametrize("method", METHODS)


@every_method
@given(data=st.binary(max_size=2000))
def test_what_was_compressed_comes_back(method: str, data: bytes) -> None:
    packed, content_type = compress(data, method)
    assert content_type == CONTENT_TYPES[method]
    assert decompress(packed, content_type, limit=len(data)) == data
    assert decompress(packed, method, limit=2000) == data


@every_method
def test_a_content_type_names_its_method(method: str) -> None:
    packed, content_type = compress(b"x" * 100, CONTENT_TYPES[method])
    assert (decompress(packed, method, limit=100), content_type) == (b"x" * 100, CONTENT_TYPES[method])


def test_the_bytes_are_those_of_the_standard_librarys_one_shot_functions() -> None:
    data = b"celery and kombu " * 50
    assert zlib.decompress(compress(data, "gzip")[0]) == data
    assert bz2.decompress(compress(data, "bzip2")[0]) == data
    assert lzma.decompress(compress(data, "lzma")[0]) == data


def test_a_stream_with_gzips_own_header_is_read_too() -> None:
    assert decompress(gzip.compress(b"abc"), "application/x-gzip", limit=3) == b"abc"


@every_method
def test_output_beyond_the_limit_is_refused(method: str) -> None:
    packed, content_type = compress(b"x" * 1001, method)
    with pytest.raises(DecodeError, match="limit of 1000 bytes"):
        decompress(packed, content_type, limit=1000)


@every_method
def test_a_bomb_is_refused_before_it_fills_the_memory(method: str) -> None:
    packed, content_type = compress(bytes(64 * MIB), method)
    assert len(packed) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="limit"):
            decompress(packed, content_type, limit=MIB)
        # lzma's dictionary takes 8 MiB at the level that everybody uses.
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


@every_method
@pytest.mark.parametrize("damage", ["cut", "empty", "trailing", "twice", "garbage"])
def test_anything_but_one_whole_stream_is_refused(method: str, damage: str) -> None:
    packed, content_type = compress(b"payload " * 20, method)
    broken = {
        "cut": packed[:-1],
        "empty": b"",
        "trailing": packed + b"x",
        "twice": packed + packed,
        "garbage": b"payload " * 20,
    }[damage]
    with pytest.raises(DecodeError):
        decompress(broken, content_type, limit=1000)


@every_method
@given(data=st.data())
def test_flipped_bytes_raise_decode_error_or_nothing(method: str, data: st.DataObject) -> None:
    packed, content_type = compress(b"payload 0123456789" * 9, method)
    at = data.draw(st.integers(0, len(packed) - 1))
    broken = packed[:at] + bytes([data.draw(st.integers(0, 255))]) + packed[at + 1 :]
    try:
        decompress(broken, content_type, limit=1000)
    except DecodeError:
        pass


@every_method
@given(data=st.binary())
def test_any_bytes_raise_decode_error_or_nothing(method: str, data: bytes) -> None:
    try:
        decompress(data, method, limit=1000)
    except DecodeError:
        pass


def test_a_zstd_frame_that_hides_its_size_obeys_the_limit() -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs the extra tq-core[zstd]")
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(MIB))
    assert decompress(frame, "zstd", limit=MIB) == bytes(MIB)
    with pytest.raises(DecodeError, match="limit|at most"):
        decompress(frame, "zstd", limit=MIB - 1)


def test_lzma_that_asks_for_a_huge_dictionary_is_refused() -> None:
    # The header of the older .lzma format: properties, dictionary size, unknown length.
    alone = bytes([93]) + (1024 * MIB).to_bytes(4, "little") + b"\xff" * 8 + bytes(20)
    with pytest.raises(DecodeError, match="[Mm]emory"):
        decompress(alone, "lzma", limit=MIB)


@pytest.mark.parametrize("method", ["lz4", "", "application/json"])
def test_an_unknown_method_is_named_with_the_known_ones(method: str) -> None:
    with pytest.raises(EncodeError, match=f"{method!r}.*gzip"):
        compress(b"x", method)
    with pytest.raises(DecodeError, match=f"{method!r}.*gzip"):
        decompress(b"x", method, limit=10)


@pytest.mark.parametrize("method", EXTRAS)
def test_without_its_package_a_method_says_what_to_install(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, EXTRAS[method], None)
    with pytest.raises(EncodeError, match=rf'pip install "tq-core\[{method}\]"'):
        compress(b"x", method)
    with pytest.raises(DecodeError, match=rf'pip install "tq-core\[{method}\]"'):
        decompress(b"x", CONTENT_TYPES[method], limit=10)
