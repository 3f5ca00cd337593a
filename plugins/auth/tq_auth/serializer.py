"""`auth`: JSON with a signature that is verified before anything of it is decoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tq.contracts import SettingsReader
from tq.errors import DecodeError, EncodeError, ImproperlyConfigured
from tq.wire.json import JsonSerializer
from tq_auth.frame import Frame, pack, unpack
from tq_auth.ran import RAN, Ran
from tq_auth.seal import SKEW, opened, sealed
from tq_auth.signer import CERTIFICATE, KEY, Signer
from tq_auth.trust import STORE, TrustStore


class AuthSerializer:
    """Celery's serializer of the same name, and bodies of tasks with a seal (see `tq_auth.seal`).

    `signer` None: this process reads signed messages and writes none. `replay_window`: seconds, None takes
    messages without a seal. Thread-safe.
    """

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "auth"
    content_type: ClassVar[str] = "application/data"
    content_encoding: ClassVar[str] = "utf-8"
    safe: ClassVar[bool] = True

    def __init__(
        self,
        trust: TrustStore,
        signer: Signer | None = None,
        *,
        replay_window: float | None = None,
        clock: Callable[[], float] = time.time,
        ran: Ran = RAN,
    ) -> None:
        self._trust = trust
        self._signer = signer
        self._window = replay_window
        self._clock = clock
        self._ran = ran
        self._inner = JsonSerializer()
        if replay_window is not None:
            ran.watch(replay_window + 2 * SKEW)

    @classmethod
    def configured(cls, settings: SettingsReader) -> AuthSerializer:
        """From the settings `security_*`. Raises `ImproperlyConfigured`."""
        store, key, certificate = settings[STORE], settings[KEY], settings[CERTIFICATE]
        digest = settings["security_digest"]
        if not store:
            raise ImproperlyConfigured(
                f"the serializer 'auth' needs {STORE}: the certificates of all who may sign, as a file, a folder "
                "or a pattern"
            )
        if bool(key) != bool(certificate):
            given, missing = (KEY, CERTIFICATE) if key else (CERTIFICATE, KEY)
            raise ImproperlyConfigured(
                f"{given} is set and {missing} is not: a key and its certificate go together"
            )
        signer = (
            Signer.from_files(key, settings["security_key_password"], certificate, digest) if key else None
        )
        return cls(TrustStore(store, digest), signer, replay_window=settings["security_replay_window"])

    def dumps(self, value: Any) -> bytes:
        """Write a value as signed JSON. Raises `EncodeError`."""
        if self._signer is None:
            raise EncodeError(f"nothing can be signed here: set {KEY} and {CERTIFICATE}")
        body = self._inner.dumps(value)
        signer, signature = self._signer.sign(body)
        return pack(Frame(signer, signature, self._inner.content_type, self._inner.content_encoding, body))

    def loads(self, data: bytes) -> Any:
        """Verify, and only then read. Raises `DecodeError`."""
        frame = unpack(data)
        self._trust.verify(frame.signer, frame.body, frame.signature)
        if frame.content_type != self._inner.content_type:
            # The signature does not cover the type, so nobody but the reader may choose it.
            raise DecodeError(
                f"what is signed has content type {frame.content_type[:100]!r}; only JSON is taken"
            )
        return self._inner.loads(frame.body)

    def dumps_call(self, value: Any, headers: dict[str, Any]) -> bytes:
        """Write the body of a task, sealed for these headers."""
        return self.dumps(sealed(value, headers, self._clock()))

    def loads_call(self, data: bytes, headers: Mapping[str, Any]) -> Any:
        """Verify and read the body of a task, and check its seal."""
        return opened(self.loads(data), headers, self._window, self._clock(), self._ran)
