"""Celery's two settings for TLS, in the forms that configurations have."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from tq import TQ
from tq.errors import ImproperlyConfigured

FILES = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "me.pem", "ssl_keyfile": "me.key"}


def app_with(**settings: Any) -> TQ:
    return TQ("shop", set_as_current=False, **settings)


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (True, {}),
        ("true", {}),
        ({}, {}),
        ({**FILES, "ssl_cert_reqs": ssl.CERT_REQUIRED}, {**FILES, "ssl_cert_reqs": "required"}),
        (
            {"ca_certs": "ca.pem", "cert_reqs": ssl.CERT_NONE},
            {"ssl_ca_certs": "ca.pem", "ssl_cert_reqs": "none"},
        ),
        ({"ssl_cert_reqs": "CERT_OPTIONAL"}, {"ssl_cert_reqs": "optional"}),
        ({"ssl_cert_reqs": None}, {"ssl_cert_reqs": "none"}),
    ],
)
@pytest.mark.parametrize("scheme", ["redis", "rediss", "amqp", "amqps", "pyamqp"])
def test_tls_is_a_scheme_and_options(value: Any, options: dict[str, Any], scheme: str) -> None:
    app = app_with(broker=f"{scheme}://u:p@h:1/2?x=y", broker_use_ssl=value)
    secure = "rediss" if scheme.startswith("redis") else "amqps"
    assert app.broker_address == (f"{secure}://u:p@h:1/2?x=y", options)


def test_options_of_the_plugin_win() -> None:
    both = {"broker_use_ssl": {"ca_certs": "a"}, "broker_transport_options": {"ssl_ca_certs": "b"}}
    assert app_with(broker="redis://h", **both).broker_address == ("rediss://h", {"ssl_ca_certs": "b"})


@pytest.mark.parametrize("value", [None, False, "false"])
def test_without_them_addresses_stay_as_they_are(value: Any) -> None:
    app = app_with(broker="redis://h", backend="redis://r", broker_use_ssl=value, redis_backend_use_ssl=value)
    assert app.broker_address == ("redis://h", {})
    assert app.backend_address == ("redis://r", {})


def test_results_have_a_setting_of_their_own_that_is_about_redis_alone() -> None:
    app = app_with(broker="amqp://h", backend="redis://r", redis_backend_use_ssl={"certfile": "c"})
    assert app.broker_address == ("amqp://h", {})
    assert app.backend_address == ("rediss://r", {"ssl_certfile": "c"})
    assert app_with(backend="rpc://", redis_backend_use_ssl=True).backend_address == ("rpc://", {})


@pytest.mark.parametrize("url", ["sentinel://:secret@h", "memory://x"])
def test_it_is_never_passed_over(url: str) -> None:
    with pytest.raises(
        ImproperlyConfigured, match="turns on TLS for redis:// and amqp://, and not for"
    ) as raised:
        app_with(broker=url, broker_use_ssl=True).broker_address  # noqa: B018
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "value", [{"ssl_cafile": "x"}, {"cert_reqs": "sometimes"}, {"cert_reqs": 7}, "maybe", [1]]
)
def test_what_is_none_of_these_is_refused(value: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="broker_use_ssl"):
        app_with(broker_use_ssl=value).broker_address  # noqa: B018
