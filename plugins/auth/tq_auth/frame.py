"""The wire form of a signed value: base64 of five fields that two bytes separate.

Base64 of the signer's id, base64 of the signature, content type, content encoding and body of what is signed.
Only the body is covered by the signature. Source: Celery 5.7, `celery.security.serialization`.
"""

from __future__ import annotations

import binascii

import msgspec

from tq.errors import DecodeError

_SEPARATOR = b"\x00\x01"
_FIELDS = 5


class Frame(msgspec.Struct, frozen=True):
    """One signed value. Nothing of a frame that was read is to be believed before it is verified."""

    signer: str
    signature: bytes
    content_type: str
    content_encoding: str
    body: bytes


def pack(frame: Frame) -> bytes:
    """Write the wire form."""
    fields = (
        _base64(frame.signer.encode()),
        _base64(frame.signature),
        frame.content_type.encode(),
        frame.content_encoding.encode(),
        frame.body,
    )
    return _base64(_SEPARATOR.join(fields))


def unpack(data: bytes) -> Frame:
    """Take the wire form apart, reading nothing of the body. Raises `DecodeError`."""
    try:
        fields = _bytes(data).split(_SEPARATOR, maxsplit=_FIELDS - 1)
        if len(fields) != _FIELDS:
            raise DecodeError(f"not a signed message: it has {len(fields)} fields in place of {_FIELDS}")
        signer, signature, content_type, encoding, body = fields
        return Frame(
            _bytes(signer).decode(), _bytes(signature), content_type.decode(), encoding.decode(), body
        )
    except ValueError as exc:
        raise DecodeError(f"not a signed message: {exc}") from exc


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)


def _bytes(text: bytes) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)
