"""Celery's ways to ask for TLS, `broker_use_ssl` and `redis_backend_use_ssl`, as options of tq's plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_WORDS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_NEEDS: Final = ("none", "optional", "required")
"""In the order of the numbers of `ssl.VerifyMode`, which is not imported for it: that takes longer than the rest."""
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


def _option(name: Any, value: Any) -> tuple[str, Any]:
    known = name if str(name).startswith("ssl_") else f"ssl_{name}"
    if known not in _OPTIONS:
        raise ValueError(f"no {name!r}; known are {', '.join(_OPTIONS)}, with or without ssl_")
    if known != "ssl_cert_reqs":
        return known, value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(_NEEDS):
        return known, _NEEDS[value]
    needs = "none" if value is None else str(value).lower().removeprefix("cert_")
    if needs not in _NEEDS:
        raise ValueError(f"{name} as ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL or ssl.CERT_NONE, or its name")
    return known, needs
