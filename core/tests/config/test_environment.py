"""Settings from environment variables."""

from __future__ import annotations

import warnings

import pytest

from tq.config import IneffectiveSetting, Settings
from tq.errors import UnknownSetting


def conf(**environ: str) -> Settings:
    return Settings(files=False, environ=environ)


def test_lists_of_names_may_be_written_with_commas() -> None:
    assert conf(TQ_INCLUDE="shop.tasks, shop.mail,").include == ("shop.tasks", "shop.mail")
    assert conf(TQ_INCLUDE='["shop.tasks"]').include == ("shop.tasks",)


def test_structured_values_are_json() -> None:
    assert conf(TQ_BROKER_TRANSPORT_OPTIONS='{"a": [1]}').broker_transport_options == {"a": [1]}


def test_a_text_that_begins_like_json_stays_a_text() -> None:
    assert conf(TQ_WORKER_LOG_FORMAT="[%(message)s]").worker_log_format == "[%(message)s]"


def test_the_word_none_stands_for_nothing() -> None:
    assert conf(TQ_RESULT_EXPIRES="none", TQ_RESULT_BACKEND="None").result_expires is None


def test_an_empty_variable_counts_as_not_there() -> None:
    assert conf(TQ_BROKER_URL="").origin("broker_url") == "default"


def test_a_misspelt_variable_is_refused() -> None:
    with pytest.raises(
        UnknownSetting, match=r"no setting TQ_BROKER_ULR \(environment .*did you mean broker_url"
    ):
        _ = conf(TQ_BROKER_ULR="x").worker_pool


@pytest.mark.parametrize(
    "variable",
    [
        "TQ_PORT",
        "TQ_SERVICE_HOST",
        "TQ_WORKER_SERVICE_PORT_HTTP",
        "TQ_PORT_80_TCP_ADDR",
        "TQ_TEST_REDIS",
        "TQ_APP",
        "TQUILA",
    ],
)
def test_variables_that_are_not_meant_for_settings_are_left_alone(variable: str) -> None:
    assert conf(**{variable: "tcp://10.0.0.1:80"}).changed == {}


def test_a_variable_of_celery_is_not_passed_over_in_silence() -> None:
    with pytest.warns(IneffectiveSetting, match="CELERY_BROKER_URL is Celery's; tq reads TQ_BROKER_URL"):
        assert conf(CELERY_BROKER_URL="redis://").broker_url == "sqlite:///.tq/tq.db"


def test_a_variable_of_celery_beside_a_broker_of_tq_is_fine() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert conf(CELERY_BROKER_URL="redis://a", TQ_BROKER_URL="redis://b").broker_url == "redis://b"
