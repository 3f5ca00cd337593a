"""config_from_object and config_from_envvar: modules, classes, instances, mappings, with and without namespace."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tq.config import Settings
from tq.errors import ImproperlyConfigured, UnknownSetting

CELERYCONFIG = """
from __future__ import annotations
import os
from os import environ
from datetime import timedelta
from functools import partial as make

REDIS_HOST = "localhost"
BROKER_URL = f"redis://{REDIS_HOST}"
_private = 3

def route(name, args, kwargs, options, task=None, **kw):
    return {"queue": "shop"}

broker_url = BROKER_URL
result_expires = timedelta(hours=1)
task_routes = (route, {"a.*": "b"})
task_queues = ["celery", "shop"]
"""


@pytest.fixture
def conf() -> Settings:
    return Settings(files=False, environ={})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_module_is_imported_when_the_first_setting_is_read(conf: Settings, folder: Path) -> None:
    conf.add_object("celeryconfig_lazy")
    (folder / "celeryconfig_lazy.py").write_text(CELERYCONFIG)
    assert conf.broker_url == "redis://localhost"
    assert conf.result_expires == 3600
    assert [queue.name for queue in conf.task_queues or ()] == ["celery", "shop"]
    assert conf.origin("broker_url") == "config_from_object('celeryconfig_lazy')"


def test_a_module_named_after_the_first_read_counts_at_once(conf: Settings, folder: Path) -> None:
    (folder / "celeryconfig_late.py").write_text("worker_pool = 'solo'\n")
    assert conf.worker_pool == "prefork"
    conf.add_object("celeryconfig_late")
    assert conf.worker_pool == "solo"


@pytest.mark.parametrize(
    "path", ["settings_of_shop:Live", "settings_of_shop.Live", "settings_of_shop:Live.inner"]
)
def test_a_path_may_lead_to_an_attribute(conf: Settings, folder: Path, path: str) -> None:
    text = "class Live:\n    worker_pool = 'solo'\n    class inner:\n        worker_pool = 'solo'\n"
    (folder / "settings_of_shop.py").write_text(text)
    conf.add_object(path)
    assert conf.worker_pool == "solo"


def test_an_environment_variable_names_the_module(folder: Path) -> None:
    (folder / "celeryconfig_env.py").write_text("worker_pool = 'solo'\n")
    conf = Settings(files=False, environ={"SHOP_CONFIG": "celeryconfig_env"})
    conf.add_envvar("SHOP_CONFIG")
    assert conf.worker_pool == "solo"


def test_an_environment_variable_that_is_not_set_is_an_error(conf: Settings) -> None:
    with pytest.raises(ImproperlyConfigured, match="SHOP_CONFIG is not set.*export SHOP_CONFIG=celeryconfig"):
        conf.add_envvar("SHOP_CONFIG")


def test_silent_passes_over_what_is_not_there_but_not_over_mistakes(conf: Settings, folder: Path) -> None:
    conf.add_envvar("SHOP_CONFIG", silent=True)
    conf.add_object("no_such_config", silent=True)
    assert conf.changed == {}
    (folder / "config_with_typo.py").write_text("worker_pol = 'solo'\n")
    with pytest.raises(UnknownSetting, match="did you mean worker_pool"):
        conf.add_object("config_with_typo", silent=True)


def test_settings_in_the_style_of_django_begin_with_the_namespace(conf: Settings) -> None:
    source = SimpleNamespace(
        DEBUG=True,
        INSTALLED_APPS=["shop"],
        BROKER_URL="ignored",
        CELERY_BROKER_URL="redis://h/0",
        CELERY_TASK_ALWAYS_EAGER=True,
        CELERY_BEAT_SCHEDULE={"a": {"task": "b", "schedule": dt.timedelta(minutes=1)}},
    )
    conf.add_object(source, namespace="CELERY")
    assert (conf.broker_url, conf.task_always_eager) == ("redis://h/0", True)
    assert conf.beat_schedule["a"]["schedule"] == dt.timedelta(minutes=1)


def test_a_mapping_may_have_a_namespace(conf: Settings) -> None:
    conf.add_object({"TQ_WORKER_POOL": "solo", "SECRET_KEY": "x"}, namespace="TQ_")
    assert conf.changed == {"worker_pool": "solo"}


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("CELERY_ACKS_LATE", "an old spelling of Celery for task_acks_late"),
        ("CELERY_BROKER_ULR", "did you mean broker_url"),
        ("CELERY_BROKER_TRANSPORT", "the scheme of broker_url chooses the plugin"),
    ],
)
def test_a_wrong_name_under_the_namespace_is_named_as_written(conf: Settings, key: str, advice: str) -> None:
    with pytest.raises(UnknownSetting) as caught:
        conf.add_object({key: 1}, namespace="CELERY")
    assert str(caught.value).startswith(f"no setting {key} (config_from_object('dict')): ")
    assert advice in str(caught.value)


def test_classes_inherit_and_instances_count(conf: Settings) -> None:
    class Base:
        worker_pool = "solo"
        timezone = "UTC"

        def helper(self) -> None: ...

    class Live(Base):
        timezone = "Europe/Berlin"

    conf.add_object(Live)
    assert (conf.worker_pool, conf.timezone) == ("solo", "Europe/Berlin")
    conf.add_object(Base())
    assert conf.timezone == "UTC"


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("CELERY_ACKS_LATE", "an old spelling of Celery for task_acks_late"),
        ("BROKER_URL", "settings are written in lower case: broker_url"),
        ("BROKER_HOST", "write it into broker_url"),
        ("task_acks_lat", "did you mean task_acks_late"),
        ("redis_host", "write it into result_backend"),
    ],
)
def test_a_wrong_name_in_a_module_is_refused(conf: Settings, key: str, advice: str) -> None:
    with pytest.raises(UnknownSetting, match=advice):
        conf.add_object(SimpleNamespace(**{key: "x"}))


def test_constants_beside_the_settings_are_left_alone(conf: Settings) -> None:
    conf.add_object(SimpleNamespace(REDIS_HOST="h", DATABASE_URL="d", TIMEZONE="UTC", timezone="UTC"))
    assert conf.changed == {"timezone": "UTC"}


def test_all_keys_of_a_mapping_must_be_settings(conf: Settings) -> None:
    with pytest.raises(UnknownSetting, match="no setting REDIS_HOST"):
        conf.add_object({"REDIS_HOST": "h"})


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (
            "no_such_config",
            None,
            "cannot read settings from 'no_such_config': ModuleNotFoundError: No module named",
        ),
        ("no_such_config.deeper", None, "ModuleNotFoundError: No module named 'no_such_config'"),
        ("config_here.py", "x = 1", "write 'config_here'"),
        ("config_here:Nope", "", "has no attribute 'Nope'"),
        ("config_needs", "import what_it_needs", "ModuleNotFoundError: No module named 'what_it_needs'"),
        ("config_raises", "1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported_is_explained(
    conf: Settings, folder: Path, path: str, text: str | None, message: str
) -> None:
    if text is not None:
        (folder / f"{path.split(':')[0].removesuffix('.py')}.py").write_text(text)
    conf.add_object(path)
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match=message):
            _ = conf.worker_pool


def test_a_module_of_settings_may_read_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = Settings({"worker_concurrency": 3}, files=False, environ={})
    monkeypatch.setitem(sys.modules, "shop_of_this_test", SimpleNamespace(conf=conf))
    text = "from shop_of_this_test import conf\nworker_max_attempts = conf.worker_concurrency + 1\n"
    (folder / "config_that_reads.py").write_text(text)
    conf.add_object("config_that_reads")
    assert conf.worker_max_attempts == 4
