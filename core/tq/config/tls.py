"""Celery's ways to ask for TLS, `broker_use_ssl` and `redis_backend_use_ssl`, as schemes and options of tq's plugins."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

from tq.errors import ImproperlyConfigured
from tq.options import mask_url

_WORDS: Final = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False}
_NEEDS: Final = {ssl.CERT_NONE: "none", ssl.CERT_OPTIONAL: "optional", ssl.CERT_REQUIRED: "required"}
_OPTIONS: Final = (
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_certfile",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_keyfile",
    "ssl_password",
)
"""Of the plugins; py-amqp's names are the same without `ssl_`."""
_SECURE: Final = {
    "redis": "rediss",
    "rediss": "rediss",
    "amqp": "amqps",
    "amqps": "amqps",
    "pyamqp": "amqps",
    "librabbitmq": "amqps",
}


def read_ssl(value: Any) -> Any:
    """The options of the plugin that a setting stands for; None: no TLS. Raises `ValueError` for what is none."""
    value = _WORDS.get(value.lower(), value) if isinstance(value, str) else value
    if value is None or value is False:
        return None
    if value is True:
        return {}
    if isinstance(value, Mapping):
        return dict(_option(name, item) for name, item in value.items())
    raise ValueError('true, false, or a mapping such as {"ssl_ca_certs": "/etc/ssl/ca.pem"}')


def over_tls(
    url: str, options: Mapping[str, Any], wanted: Mapping[str, Any] | None, setting: str
) -> tuple[str, dict[str, Any]]:
    """Where to connect to, and the options, with what `setting` asks for; `options` win over that.

    Raises `ImproperlyConfigured` where it could only be passed over.
    """
    if wanted is None:
        return url, dict(options)
    scheme, _, rest = url.partition("://")
    secure = _SECURE.get(scheme)
    if secure is None:
        raise ImproperlyConfigured(
            f"{setting} turns on TLS for redis:// and amqp://, and not for {mask_url(url)}; take it away, and see the "
            "page of that plugin for its own options"
        )
    return f"{secure}://{rest}", {**wanted, **options}


def _option(name: Any, value: Any) -> tuple[str, Any]:
    known = name if str(name).startswith("ssl_") else f"ssl_{name}"
    if known not in _OPTIONS:
        raise ValueError(f"no {name!r}; known are {', '.join(_OPTIONS)}, with or without ssl_")
    if known != "ssl_cert_reqs":
        return known, value
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value in _NEEDS):
        return known, _NEEDS[ssl.VerifyMode(value or 0)]
    needs = str(value).lower().removeprefix("cert_")
    if needs not in _NEEDS.values():
        raise ValueError(f"{name} as ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL or ssl.CERT_NONE, or its name")
    return known, needs
