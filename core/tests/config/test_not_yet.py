"""Settings whose work comes with a later version say so where somebody relies on them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from tq.config import Settings
from tq.config.catalog import IneffectiveSetting
from tq.config.setting import Setting

SOME = Setting(name="some_switch", type=bool, default=False, doc="", group="worker", not_yet="it comes later")


def settings(**how: Any) -> Any:
    """Settings of which one has no effect yet."""
    return Settings(plugins=lambda: [SOME], files=False, **how)


def test_switching_on_what_is_not_there_yet_warns_once() -> None:
    conf = settings(environ={})
    with pytest.warns(IneffectiveSetting, match=r"some_switch .* has no effect yet: it comes later"):
        conf.some_switch = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conf.some_switch = True
    assert conf.some_switch is True


def test_the_default_of_such_a_setting_may_be_written_down_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conf = settings(environ={})
        conf.some_switch = False
    assert conf.some_switch is False


def test_the_environment_warns_as_well() -> None:
    conf = settings(environ={"TQ_SOME_SWITCH": "true"})
    with pytest.warns(IneffectiveSetting, match="environment TQ_SOME_SWITCH"):
        assert conf.some_switch is True
