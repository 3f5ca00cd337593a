"""Makes keys and certificates, as openssl would."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of this name; making one takes a while."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Pair:
    """Files of a key and its certificate, and the signer id."""

    key: Path
    certificate: Path
    id: str


def make(
    folder: Path,
    name: str,
    *,
    serial: int = 7,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    begins: dt.datetime = NOW - DAY,
    ends: dt.datetime = NOW + DAY,
    password: str | None = None,
    common_name: str | None = None,
) -> Pair:
    """Write `<name>.key` and `<name>.pem` into the folder."""
    private = key or rsa_key(name)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name or name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(private, hashes.SHA256())
    )
    lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    pair = Pair(folder / f"{name}.key", folder / f"{name}.pem", f"DE {common_name or name} {serial}")
    pair.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    return pair
