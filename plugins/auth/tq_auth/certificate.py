"""X.509 certificates with RSA keys, read from PEM files, and the signatures that they verify.

Signatures are RSA-PSS with the longest salt, under the signer id "<values of the issuer> <serial number>".
Source: Celery 5.7, `celery.security.certificate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tq.errors import DecodeError, ImproperlyConfigured

DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
"""What `security_digest` may be."""
SMALLEST_KEY: Final = 2048
"""Bits."""


@dataclass(frozen=True)
class Certificate:
    """One certificate and the file that it came from."""

    id: str
    key: rsa.RSAPublicKey
    begins: datetime
    ends: datetime
    file: Path

    def valid(self, now: datetime) -> bool:
        """Whether `now` lies within the time that the certificate is made for."""
        return self.begins <= now < self.ends

    def verify(self, body: bytes, signature: bytes, digest: str, now: datetime) -> None:
        """Raises `DecodeError` where the time or the signature is wrong."""
        if now >= self.ends:
            raise DecodeError(
                f"the certificate of {self.id!r} expired on {self.ends:%Y-%m-%d %H:%M} UTC ({self.file}): "
                "sign with a newer one"
            )
        if now < self.begins:
            raise DecodeError(
                f"the certificate of {self.id!r} is valid from {self.begins:%Y-%m-%d %H:%M} UTC on "
                f"({self.file}): compare the clocks of signer and reader"
            )
        try:
            self.key.verify(signature, body, pss(digest), DIGESTS[digest])
        except InvalidSignature as exc:
            raise DecodeError(
                f"bad signature under the name of {self.id!r}: the message was changed or forged, or written "
                f"with another security_digest than {digest}"
            ) from exc


def pss(digest: str) -> padding.PSS:
    """The padding that Celery uses."""
    return padding.PSS(mgf=padding.MGF1(DIGESTS[digest]), salt_length=padding.PSS.MAX_LENGTH)


def read_certificates(file: Path, setting: str) -> list[Certificate]:
    """All certificates of a PEM file. Raises `ImproperlyConfigured`."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as exc:
        raise ImproperlyConfigured(
            f"{setting}: {file} cannot be read as PEM certificates ({exc}); it has to hold nothing else"
        ) from exc
    return [_certificate(read, file, setting) for read in found]


def _certificate(read: x509.Certificate, file: Path, setting: str) -> Certificate:
    try:
        key = read.public_key()
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ImproperlyConfigured(
            f"{setting}: the key of the certificate in {file} is broken: {exc}"
        ) from exc
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < SMALLEST_KEY:
        raise ImproperlyConfigured(
            f"{setting}: the certificate in {file} has no RSA key of at least {SMALLEST_KEY} bits; make one: "
            "openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=NAME -keyout KEY -out CERTIFICATE"
        )
    issuer = " ".join(str(attribute.value) for attribute in read.issuer)
    return Certificate(
        f"{issuer} {read.serial_number}", key, read.not_valid_before_utc, read.not_valid_after_utc, file
    )
