"""Settings whose work comes with a later version say so where somebody relies on them."""

from __future__ import annotations

import warnings

import pytest

from tq.config import Settings
from tq.config.catalog import IneffectiveSetting
from tq.config.definitions import DEFINITIONS

NOT_YET = [setting for setting in DEFINITIONS if setting.not_yet]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("worker_enable_remote_control", True),
    ],
)
def test_switching_on_what_is_not_there_yet_warns_once(name: str, value: object) -> None:
    with pytest.warns(IneffectiveSetting, match=rf"{name} \(TQ\(...\)\) has no effect yet: "):
        conf = Settings({name: value}, files=False, environ={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conf[name] = value
    assert conf[name] == value


@pytest.mark.parametrize("setting", NOT_YET, ids=lambda setting: setting.name)
def test_the_default_of_such_a_setting_may_be_written_down_in_silence(setting: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Settings({setting.name: setting.default}, files=False, environ={})  # type: ignore[attr-defined]


def test_the_environment_warns_as_well() -> None:
    conf = Settings(files=False, environ={"TQ_WORKER_ENABLE_REMOTE_CONTROL": "true"})
    with pytest.warns(IneffectiveSetting, match="environment TQ_WORKER_ENABLE_REMOTE_CONTROL"):
        assert conf.worker_enable_remote_control is True
