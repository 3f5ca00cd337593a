"""Settings that plugins declare."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tq.config import Setting, Settings
from tq.errors import ImproperlyConfigured, UnknownSetting


def setting(name: str = "auth_realm", group: str = "auth") -> Setting:
    return Setting(name=name, type=str, default="shop", doc="Who is asked.", group=group)


def test_a_plugin_setting_behaves_like_any_other() -> None:
    conf = Settings(files=False, environ={"TQ_AUTH_REALM": "env"})
    conf.define([setting()])
    assert conf["auth_realm"] == "env"
    conf.update(auth_realm="python")
    assert conf["auth_realm"] == "python"
    assert ("auth_realm", "'python'") in [(row.name, row.value) for row in conf.explain()]


def test_plugins_are_asked_once_and_only_for_names_that_tq_has_not() -> None:
    asked = []

    def plugins() -> Iterator[Setting]:
        asked.append(1)
        yield setting()

    conf = Settings({"worker_pool": "solo"}, files=False, environ={}, plugins=plugins)
    assert (conf.worker_pool, conf.timezone, asked) == ("solo", None, [])
    assert conf["auth_realm"] == "shop"
    with pytest.raises(UnknownSetting):
        conf["auth_relm"]
    assert asked == [1]


def test_a_plugin_may_take_over_a_name_of_celery() -> None:
    conf = Settings(
        files=False, environ={}, plugins=lambda: [setting("security_key"), setting("control_exchange")]
    )
    conf.update(security_key="k", control_exchange="e")
    assert conf["security_key"] == "k"


@pytest.mark.parametrize("name", ["update", "_private", "Upper", "no name", "explain"])
def test_some_names_cannot_be_settings(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="cannot be the name of a setting"):
        Settings(files=False, environ={}).define([setting(name)])


def test_two_plugins_cannot_have_one_setting() -> None:
    conf = Settings(files=False, environ={})
    conf.define([setting()])
    conf.define([setting()])
    with pytest.raises(ImproperlyConfigured, match="auth_realm of oauth exists already, in auth"):
        conf.define([setting(group="oauth")])
