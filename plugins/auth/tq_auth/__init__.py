"""Signed messages: the serializer `auth`."""

from __future__ import annotations

from tq_auth.serializer import AuthSerializer

__all__ = ["AuthSerializer"]
