"""Passwords do not get out: not into reports, not into errors."""

from __future__ import annotations

import pytest

from tq.config import Setting, Settings
from tq.errors import ImproperlyConfigured
from tq.options import mask_url, query_of

SECRET = "hunter2"


def conf_with_secrets() -> Settings:
    conf = Settings(
        files=False, environ={"TQ_RESULT_BACKEND": f"db+postgresql://me:{SECRET}@h/d?sslpassword={SECRET}"}
    )
    conf.define(
        [
            Setting(name="security_key_password", type=str, default="", doc="Opens the key.", group="auth"),
            Setting(name="auth_pin", type=str, default="", doc="Opens the door.", group="auth", secret=True),
        ]
    )
    conf.update(
        broker_url=f"redis://:{SECRET}@h/0",
        broker_transport_options={
            "password": SECRET,
            "sentinel_kwargs": {"password": SECRET, "port": 3},
            "urls": [f"redis://:{SECRET}@h"],
            "secret_access_key": SECRET,
        },
        beat_schedule={
            "nightly": {"task": "clean", "kwargs": {"api_key": SECRET, "url": f"https://a:{SECRET}@b/c"}}
        },
        security_key_password=SECRET,
        auth_pin=SECRET,
    )
    return conf


def test_the_report_shows_no_secret() -> None:
    rows = {row.name: row.value for row in conf_with_secrets().explain()}
    assert SECRET not in str(rows)
    assert rows["broker_url"] == "'redis://:**@h/0'"
    assert rows["broker_transport_options"].startswith(
        "{'password': '**', 'sentinel_kwargs': {'password': '**', 'port': 3}"
    )
    assert rows["security_key_password"] == rows["auth_pin"] == "'**'"


def test_the_values_themselves_are_whole() -> None:
    assert conf_with_secrets().broker_url == f"redis://:{SECRET}@h/0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("broker_url", [f"redis://:{SECRET}@a", f"redis://:{SECRET}@b"]),
        ("broker_lease", f"redis://:{SECRET}@a"),
        ("broker_transport_options", {3: f"redis://:{SECRET}@a", "password": SECRET}),
        ("auth_pin", {SECRET: SECRET}),
    ],
)
def test_an_error_shows_no_secret(name: str, value: object) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        conf_with_secrets()[name] = value
    assert "**" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_long_value_is_shortened() -> None:
    conf = Settings({"include": tuple(f"module{n}" for n in range(1000))}, files=False, environ={})
    row = next(row for row in conf.explain() if row.name == "include")
    assert len(row.value) < 400


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://user:p@h:1/0", "redis://user:**@h:1/0"),
        ("redis://:p@ss@h/0", "redis://:**@h/0"),
        ("redis://:a/b@h/0", "redis://:**@h/0"),
        ("redis://h/0?db=1&Password=x&a=1", "redis://h/0?db=1&Password=**&a=1"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://h:6379/a@b", "redis://h:6379/a@b"),
        ("redis://[::1]:6379/a@b", "redis://[::1]:6379/a@b"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
        ("https://me@h/x", "https://me@h/x"),
        ("no url", "no url"),
        ("amqp://a:p@h//;b:p@h2/v;c:p/@@h3?x=@", "amqp://a:**@h//;b:**@h2/v;c:**@h3?x=@"),
        ("amqp://a:p@ss/word@h//v", "amqp://a:**@h//v"),
        ("sentinel://:p@h:1;h2:2/0?name=a@b", "sentinel://:**@h:1;h2:2/0?name=a@b"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, masked: str) -> None:
    assert mask_url(url) == masked


@pytest.mark.parametrize("password", ["a[b", "a\u2100b"])
def test_a_password_that_pythons_own_parser_refuses_hinders_no_options(password: str) -> None:
    assert query_of(f"redis://:{password}@h/0?db=1&x=a%26b#end") == {"db": "1", "x": "a&b"}
