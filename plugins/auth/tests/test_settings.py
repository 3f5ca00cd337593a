"""The settings of Celery's names, and what is said where they do not fit together."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from plugins.auth.tests.auth_pairs import DAY, Pair, make
from tq import TQ
from tq.errors import ImproperlyConfigured
from tq_auth import AuthSerializer


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    now = dt.datetime.now(dt.UTC)
    return make(tmp_path, "web", begins=now - DAY, ends=now + DAY)


def app(pair: Pair, **changed: Any) -> TQ:
    settings = {
        "security_key": str(pair.key),
        "security_certificate": str(pair.certificate),
        "security_cert_store": str(pair.certificate),
        "task_serializer": "auth",
        "accept_content": ["auth"],
        "result_accept_content": ["json"],
        **changed,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return TQ("signed", broker="memory://auth", set_as_current=False, **given)


@pytest.mark.parametrize("name", ["auth", "application/data"])
def test_an_app_makes_it_from_its_settings(pair: Pair, name: str) -> None:
    serializer = app(pair).serializers[name]
    assert isinstance(serializer, AuthSerializer)
    assert serializer.loads(serializer.dumps([1])) == [1]


def test_every_setting_arrives(tmp_path: Path, pair: Pair) -> None:
    now = dt.datetime.now(dt.UTC)
    locked = make(tmp_path, "locked", begins=now - DAY, ends=now + DAY, password="sesame")
    made = app(
        pair,
        security_key=str(locked.key),
        security_key_password="sesame",
        security_certificate=str(locked.certificate),
        security_cert_store=str(tmp_path / "*.pem"),
        security_digest="sha512",
        security_replay_window=60,
    )
    serializer = made.serializers["auth"]
    assert isinstance(serializer, AuthSerializer)
    assert serializer.loads(serializer.dumps([1])) == [1]
    assert serializer._window == 60.0
    shown = {row.name: row.value for row in made.conf.explain()}
    assert "sesame" not in str(shown)


def test_without_a_key_an_app_only_reads(pair: Pair) -> None:
    reader = app(pair, security_key=None, security_certificate=None).serializers["auth"]
    assert reader.loads(app(pair).serializers["auth"].dumps([1])) == [1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"security_cert_store": None}, "needs security_cert_store"),
        ({"security_key": None}, "security_certificate is set and security_key is not"),
        ({"security_certificate": None}, "security_key is set and security_certificate is not"),
        ({"security_cert_store": "/nowhere/*.pem"}, "names no file"),
        ({"security_key": "/nowhere.key"}, "names no file"),
        ({"security_digest": "md5"}, "security_digest"),
        ({"security_replay_window": 0}, "security_replay_window"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_setting(
    pair: Pair, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        app(pair, **changed).serializers["auth"]
