"""Trusted signers, and serializers that sign as them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.auth.tests.auth_pairs import NOW, Pair, make
from tq_auth.ran import Ran
from tq_auth.serializer import AuthSerializer
from tq_auth.signer import Signer
from tq_auth.trust import TrustStore

MakeSerializer = Callable[..., AuthSerializer]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of trusted certificates."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    return folder


@pytest.fixture
def web(tmp_path: Path, store: Path) -> Pair:
    """A signer who is trusted."""
    pair = make(tmp_path, "web")
    (store / "web.pem").write_bytes(pair.certificate.read_bytes())
    return pair


@pytest.fixture
def serializer(store: Path, web: Pair) -> MakeSerializer:
    """Make serializers of one process: `serializer(window=..., after=seconds, ran=...)`."""

    def make_serializer(
        pair: Pair = web, *, window: float | None = None, after: float = 0.0, ran: Ran | None = None
    ) -> AuthSerializer:
        def clock() -> float:
            return NOW.timestamp() + after

        signer = Signer.from_files(str(pair.key), None, str(pair.certificate), clock=clock)
        trust = TrustStore(str(store), clock=clock)
        return AuthSerializer(
            trust, signer, replay_window=window, clock=clock, ran=Ran() if ran is None else ran
        )

    return make_serializer
