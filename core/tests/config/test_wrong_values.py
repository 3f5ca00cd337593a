"""Every wrong setting is an error that says where it is, what it is, and what is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tq.config import Settings
from tq.errors import ImproperlyConfigured, UnknownSetting

WRONG = [
    ("broker_lease", 1, "expected `float` >= 2.0, in seconds"),
    ("broker_lease", "30", "expected `float`, got `str`, in seconds"),
    ("broker_lease", float("inf"), "expected a finite number"),
    ("broker_publish_timeout", 0, "expected `float` > 0.0"),
    ("broker_url", "localhost", "expected a URL with a scheme, such as 'redis://localhost:6379/0'"),
    ("broker_url", ["redis://a", "redis://b"], "expected one URL, not a list for failover"),
    ("result_backend", "rpc", "expected a URL with a scheme"),
    ("result_expires", "day", "expected `float | null`, got `str`"),
    ("accept_content", "", "expected `str` of length >= 1"),
    ("accept_content", 3, "expected `array`, got `int`"),
    ("task_acks_late", 1, "expected `bool`, got `int`"),
    ("task_default_priority", 10, "expected `int` <= 9"),
    ("task_default_rate_limit", "fast", "expected a number of tasks a second, or a text such as '10/s'"),
    ("task_protocol", 1, "invalid enum value 1"),
    ("task_queues", [3], "expected queues: names, mappings or Queue objects, not int"),
    ("task_queues", {"a": 3}, "expected queues: a mapping of options for 'a', not int"),
    ("task_queues", [{"name": "a", "durabel": True}], "unknown field `durabel`"),
    ("task_routes", 3, "expected a mapping of a task's name or pattern to a route"),
    ("task_routes", [("a", "b", "c")], "expected a mapping of a task's name or pattern to a route"),
    ("timezone", "Mars/Olympus", "expected a name of the time zone database"),
    ("timezone", "../etc/passwd", "expected a name of the time zone database"),
    ("worker_concurrency", -1, "expected `int` >= 1"),
    ("worker_concurrency", True, "got `bool`"),
    ("worker_redirect_stdouts_level", "LOUD", "expected a log level"),
    ("beat_schedule", {"a": 1}, "expected `object`, got `int` - at `$[...]`"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_value_names_setting_value_origin_and_what_is_expected(
    name: str, value: Any, expected: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        Settings({name: value}, files=False, environ={})
    assert str(caught.value).startswith(f"setting {name} = {value!r} (TQ(...)): ")
    assert expected in str(caught.value)


def test_a_wrong_environment_variable_is_named() -> None:
    conf = Settings(files=False, environ={"TQ_BROKER_LEASE": "soon"})
    with pytest.raises(ImproperlyConfigured, match=r"broker_lease = 'soon' \(environment TQ_BROKER_LEASE\)"):
        _ = conf.worker_pool


@pytest.mark.parametrize("text", ["[1", '["\udcff"]'])
def test_malformed_json_in_the_environment_is_named(text: str) -> None:
    conf = Settings(files=False, environ={"TQ_TASK_QUEUES": text})
    with pytest.raises(ImproperlyConfigured, match=r"environment TQ_TASK_QUEUES\): expected JSON, but "):
        _ = conf.worker_pool


def test_a_wrong_value_in_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tq.toml").write_text("worker_concurrency = -1\n")
    conf = Settings(cwd=tmp_path, environ={})
    with pytest.raises(ImproperlyConfigured) as caught:
        _ = conf.worker_pool
    assert f"worker_concurrency = -1 ({tmp_path / 'tq.toml'}): expected `int` >= 1" in str(caught.value)


def test_a_source_that_is_wrong_stays_wrong() -> None:
    conf = Settings(files=False, environ={"TQ_BROKER_LEASE": "soon"})
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match="TQ_BROKER_LEASE"):
            _ = conf.worker_pool


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("task_default_que", "did you mean task_default_queue"),
        ("worker_concurency", "did you mean worker_concurrency"),
        ("zzz", "`tq report` lists all settings"),
        ("BROKER_URL", "settings are written in lower case: broker_url"),
        ("CELERY_ACKS_LATE", "an old spelling of Celery for task_acks_late"),
        ("CELERYD_CONCURRENCY", "an old spelling of Celery for worker_concurrency"),
        ("CELERY_TASK_RESULT_EXPIRES", "an old spelling of Celery for result_expires"),
        ("acks_late", "an old spelling of Celery for task_acks_late"),
        (
            "CELERY_MONGODB_BACKEND_SETTINGS",
            "mongodb_backend_settings, which tq has not: give it as an option",
        ),
        ("broker_transport", "this setting of Celery is not one of tq: the scheme of broker_url chooses"),
        ("worker_logfile", "this setting of Celery is not one of tq: give it to the command"),
    ],
)
def test_an_unknown_name_is_refused_with_advice(name: str, advice: str) -> None:
    with pytest.raises(UnknownSetting) as caught:
        Settings({name: 1}, files=False, environ={})
    assert str(caught.value).startswith(f"no setting {name} (TQ(...)): ")
    assert advice in str(caught.value)


def test_reading_an_unknown_name_is_an_attribute_error_with_advice() -> None:
    conf = Settings(files=False, environ={})
    with pytest.raises(AttributeError, match="did you mean worker_pool"):
        _ = conf.worker_pol  # type: ignore[attr-defined]
    with pytest.raises(UnknownSetting, match="has no counterpart"):
        conf["broker_pool_limit"]
    assert not hasattr(conf, "worker_pol")


def test_listing_changes_with_an_unknown_name_in_a_source_says_so() -> None:
    conf = Settings(files=False, environ={"TQ_BROKER_ULR": "x"})
    with pytest.raises(ImproperlyConfigured, match="TQ_BROKER_ULR.*did you mean broker_url"):
        _ = conf.changed
