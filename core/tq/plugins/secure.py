"""Addresses with TLS, where a setting asks for it and not the scheme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq.plugins.catalog import SECURE


def over_tls(
    url: str, options: Mapping[str, Any], wanted: Mapping[str, Any] | None, setting: str
) -> tuple[str, dict[str, Any]]:
    """Where to connect to, and the options, with what `setting` asks for; `options` win over that.

    Raises `ImproperlyConfigured` where it could only be passed over.
    """
    if wanted is None:
        return url, dict(options)
    scheme, _, rest = url.partition("://")
    secure = SECURE.get(scheme)
    if secure is None:
        raise ImproperlyConfigured(
            f"{setting} turns on TLS for redis:// and amqp://, and not for {mask_url(url)}; take it away, and see the "
            "page of that plugin for its own options"
        )
    return f"{secure}://{rest}", {**wanted, **options}
