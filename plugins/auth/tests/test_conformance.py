"""`auth` keeps the rules of every serializer."""

from __future__ import annotations

import binascii
from pathlib import Path

import pytest

from plugins.auth.tests.auth_pairs import NOW, make
from tq.contracts import CallSerializer, Configurable, Serializer
from tq.testing import SerializerConformance
from tq_auth import AuthSerializer
from tq_auth.signer import Signer
from tq_auth.trust import TrustStore


def frame(*fields: bytes) -> bytes:
    return binascii.b2a_base64(b"\x00\x01".join(fields), newline=False)


class TestAuthConformance(SerializerConformance):
    serializer_class = AuthSerializer
    garbage = (
        b"not base64!",
        b"AAAA",
        frame(b"", b"", b"application/json", b"utf-8", b"{}"),
        frame(b"d2Vi", b"AAAA", b"application/json", b"utf-8", b"{}"),
        frame(b"d2Vi", b"AAAA", b"application/json", b"{}"),
        frame(b"???", b"AAAA", b"application/json", b"utf-8", b"{}"),
        frame(b"/////w==", b"AAAA", b"\xff", b"utf-8", b"{}"),
        b'{"plain": "json"}',
    )

    @pytest.fixture
    def serializer(self, tmp_path: Path) -> Serializer:
        pair = make(tmp_path, "web")
        signer = Signer.from_files(str(pair.key), None, str(pair.certificate), clock=NOW.timestamp)
        return AuthSerializer(TrustStore(str(pair.certificate), clock=NOW.timestamp), signer)

    def test_it_asks_for_settings_and_for_the_headers_of_calls(self, serializer: Serializer) -> None:
        assert isinstance(serializer, Configurable)
        assert isinstance(serializer, CallSerializer)
