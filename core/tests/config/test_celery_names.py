"""Whoever comes from Celery: no name of its 207 settings passes in silence."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

from tq.config import IneffectiveSetting, Settings, celery_names
from tq.config.definitions import DEFINITIONS
from tq.errors import UnknownSetting

OURS = {setting.name: setting for setting in DEFINITIONS}


class Theirs(NamedTuple):
    name: str
    mark: str
    old: str


DATA = (Path(__file__).parent / "celery_settings.txt").read_text(encoding="utf-8").splitlines()
CELERY = [Theirs(*line.split()) for line in DATA if not line.startswith("#")]
# What must not be missed by anybody who moves over, and is nevertheless not a setting here.
CORE_BUT_OTHERWISE = {
    "broker_pool_limit",
    "redis_max_connections",
    "worker_cancel_long_running_tasks_on_connection_loss",
    "worker_soft_shutdown_timeout",
}


def test_the_list_of_celerys_settings_is_whole() -> None:
    assert len(CELERY) == len({theirs.name for theirs in CELERY}) == 207


def test_the_settings_that_people_use_are_settings_here() -> None:
    used = {theirs.name for theirs in CELERY if theirs.mark in ("core", "common")}
    assert used - OURS.keys() == CORE_BUT_OTHERWISE


@pytest.mark.parametrize("theirs", CELERY, ids=lambda t: t.name)
def test_every_setting_of_celery_is_known_or_explained(theirs: Theirs) -> None:
    if theirs.name in OURS:
        assert not celery_names.is_celery(theirs.name)
    elif theirs.name in celery_names.WITHOUT_EFFECT:
        with pytest.warns(IneffectiveSetting, match=f"setting {theirs.name} .* has no effect: "):
            Settings({theirs.name: 1}, files=False, environ={})
    else:
        with pytest.raises(UnknownSetting, match="this setting of Celery is not one of tq: "):
            Settings({theirs.name: 1}, files=False, environ={})


@pytest.mark.parametrize("theirs", [t for t in CELERY if t.old != "-"], ids=lambda t: t.old)
def test_every_old_spelling_leads_to_todays_name(theirs: Theirs) -> None:
    with pytest.raises(UnknownSetting, match=f"an old spelling of Celery for {theirs.name}"):
        Settings({theirs.old.upper(): 1}, files=False, environ={})


def test_a_setting_without_effect_is_warned_about_once_and_cannot_be_read() -> None:
    conf = Settings(files=False, environ={"TQ_BROKER_POOL_LIMIT": "3"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        conf.update(broker_pool_limit=4)
        assert conf.changed == {}
    assert [str(w.message).split(":")[0] for w in caught] == [
        "setting broker_pool_limit (app.conf.update(...)) has no effect"
    ]


def test_the_tables_name_no_setting_twice() -> None:
    without, refused = celery_names.WITHOUT_EFFECT.keys(), celery_names.REFUSED.keys()
    assert not without & refused
    assert not OURS.keys() & (without | refused)
