"""Signs and reads with the real Celery; needs no tq: `python celery_side.py < question.json > answer.json`.

The question: {"key", "certificate", "store", "digest", "write": [value, ...], "read": [text, ...]}, where the
first three are paths. The answer: {"written": [text, ...], "read": [value, ...]}.
Without input it makes a pair of its own and prints what lies in golden/celery57.json.
"""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from celery.security.serialization import register_auth  # type: ignore[import-not-found,unused-ignore]
from kombu.serialization import dumps, loads  # type: ignore[import-not-found,unused-ignore]

EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
VALUES = [
    [[1, 2], {}, EMBED],
    [["größe 🐇"], {"k": [None, True, 1.5]}, EMBED],
    {"task": "m.add", "id": "i1", "args": [1], "kwargs": {}},
    "text",
    {"task_id": "i1", "status": "SUCCESS", "result": 3},
]


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Sign and read."""
    key = Path(question["key"]).read_text()
    certificate = Path(question["certificate"]).read_text()
    register_auth(key, None, certificate, question["store"], question["digest"])
    return {
        "written": [dumps(value, "auth")[2] for value in question["write"]],
        "read": [
            loads(text, "application/data", "utf-8", accept={"application/data"}) for text in question["read"]
        ],
    }


def golden() -> dict[str, Any]:
    """A pair whose key is forgotten, and what it signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Größe & Söhne"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "celery"),
        ]
    )
    begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**100 + 1)
        .not_valid_before(begins)
        .not_valid_after(begins.replace(year=2120))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    found: dict[str, Any] = {"certificate": pem, "values": VALUES}
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "key"), Path(folder, "certificate.pem")
        files[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files[1].write_text(pem)
        for digest in ("sha256", "sha512"):
            question = {"key": files[0], "certificate": files[1], "store": str(files[1]), "digest": digest}
            found[digest] = answer({**question, "write": VALUES, "read": []})["written"]
    return found


if __name__ == "__main__":
    asked = sys.stdin.read()
    json.dump(answer(json.loads(asked)) if asked else golden(), sys.stdout, indent=1)
    print()
