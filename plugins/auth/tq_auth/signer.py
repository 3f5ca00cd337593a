"""Who signs here: private keys and the certificates that belong to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tq.errors import EncodeError, ImproperlyConfigured
from tq_auth.certificate import DIGESTS, Certificate, pss, read_certificates
from tq_auth.files import files_of

KEY, CERTIFICATE = "security_key", "security_certificate"


@dataclass(frozen=True)
class Identity:
    """A private key with its certificate."""

    certificate: Certificate
    key: rsa.RSAPrivateKey


class Signer:
    """Signs with the newest of its identities that is valid at the moment, so that a successor can lie ready."""

    def __init__(
        self,
        identities: Sequence[Identity],
        digest: str = "sha256",
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identities = sorted(identities, key=lambda one: one.certificate.begins, reverse=True)
        self._digest = digest
        self._clock = clock

    @classmethod
    def from_files(
        cls,
        keys: str,
        password: str | None,
        certificates: str,
        digest: str = "sha256",
        *,
        clock: Callable[[], float] = time.time,
    ) -> Signer:
        """Pair the keys and certificates of files, folders or patterns by their public keys.

        Raises `ImproperlyConfigured` where a file cannot be read, or nothing fits together.
        """
        mine = {_read_key(file, password) for file in files_of(KEY, keys)}
        by_number = {key.public_key().public_numbers(): key for key in mine}
        identities = [
            Identity(certificate, by_number[numbers])
            for file in files_of(CERTIFICATE, certificates)
            for certificate in read_certificates(file, CERTIFICATE)
            if (numbers := certificate.key.public_numbers()) in by_number
        ]
        if not identities:
            raise ImproperlyConfigured(
                f"no certificate of {CERTIFICATE} = {certificates!r} belongs to a key of {KEY} = {keys!r}"
            )
        return cls(identities, digest, clock=clock)

    def sign(self, body: bytes) -> tuple[str, bytes]:
        """The id of the signer, and the signature. Raises `EncodeError` where no certificate is valid."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        for identity in self._identities:
            if identity.certificate.valid(now):
                signature = identity.key.sign(body, pss(self._digest), DIGESTS[self._digest])
                return identity.certificate.id, signature
        newest = self._identities[0].certificate
        raise EncodeError(
            f"nothing can be signed: {newest.file} is valid from {newest.begins:%Y-%m-%d} to {newest.ends:%Y-%m-%d}; "
            f"point {KEY} and {CERTIFICATE} to a valid pair and start again"
        )


def _read_key(file: Path, password: str | None) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None if password is None else password.encode())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ImproperlyConfigured(
            f"{KEY}: {file} cannot be read as a private key in PEM form ({exc}); for an encrypted one set "
            "security_key_password, for another one leave that out"
        ) from exc
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ImproperlyConfigured(f"{KEY}: {file} holds no RSA key, and the wire form knows no other")
    return key
