"""The certificates that are trusted: who is among them may sign, nobody else may."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tq.errors import DecodeError, ImproperlyConfigured
from tq_auth.certificate import Certificate, read_certificates
from tq_auth.files import files_of

STORE = "security_cert_store"
_log = logging.getLogger("tq.auth")


class TrustStore:
    """The certificates of `security_cert_store`, by signer id.

    The files are read again every `refresh` seconds, and for an unknown signer at most every `impatient`
    seconds, so that certificates can be added and taken away while workers run. An expired one may lie there:
    what it signed is refused. Safe between threads. Raises `ImproperlyConfigured` where it cannot be read
    at first; later the last good state stays, and the error is logged.
    """

    def __init__(
        self,
        where: str,
        digest: str = "sha256",
        *,
        refresh: float = 30.0,
        impatient: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._where = where
        self._digest = digest
        self._refresh = refresh
        self._impatient = impatient
        self._clock = clock
        self._trusted = _read(where)
        self._read_at = time.monotonic()

    def verify(self, signer: str, body: bytes, signature: bytes) -> None:
        """Raises `DecodeError` unless a trusted and valid certificate of this signer made the signature."""
        certificate = self._find(signer)
        if certificate is None:
            raise DecodeError(
                f"signed by {signer[:200]!r}, who is not trusted here: put the certificate into {STORE} "
                f"({self._where}); there are {len(self._trusted)} others"
            )
        certificate.verify(body, signature, self._digest, datetime.fromtimestamp(self._clock(), UTC))

    def _find(self, signer: str) -> Certificate | None:
        self._read_again(self._refresh)
        if signer not in self._trusted:
            self._read_again(self._impatient)
        return self._trusted.get(signer)

    def _read_again(self, age: float) -> None:
        # Two threads may both read; each leaves a whole mapping behind.
        now = time.monotonic()
        if now - self._read_at < age:
            return
        self._read_at = now
        try:
            self._trusted = _read(self._where)
        except ImproperlyConfigured as exc:
            _log.error("the trusted certificates stay as they were: %s", exc)


def _read(where: str) -> Mapping[str, Certificate]:
    trusted: dict[str, Certificate] = {}
    for file in files_of(STORE, where):
        for certificate in read_certificates(file, STORE):
            other = trusted.setdefault(certificate.id, certificate)
            if other.key.public_numbers() != certificate.key.public_numbers():
                raise ImproperlyConfigured(
                    f"{STORE}: {other.file} and {file} hold different keys under one issuer and serial number, "
                    f"{certificate.id!r}; make one of them again with another serial number"
                )
    return trusted
