"""URLs and options: Celery's forms work, and what cannot work is said at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tq.errors import ImproperlyConfigured
from tq_sql import SqlBroker
from tq_sql.urls import read_url


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://u:p@h/db", "postgresql+psycopg"),
        ("postgres://u:p@h/db", "postgresql+psycopg"),
        ("db+postgresql://u:p@h/db", "postgresql+psycopg"),
        ("db+postgresql+psycopg2://u:p@h/db", "postgresql+psycopg"),
        ("sqla+postgresql+psycopg://u:p@h/db", "postgresql+psycopg"),
        ("mysql://u:p@h/db", "mysql+pymysql"),
        ("mariadb://u:p@h/db", "mysql+pymysql"),
        ("db+mysql+pymysql://u:p@h/db", "mysql+pymysql"),
    ],
)
def test_every_form_of_a_server_url_finds_its_driver(url: str, driver: str) -> None:
    address = read_url(url)
    assert address.url.drivername == driver
    assert (address.url.username, address.url.password, address.url.host) == ("u", "p", "h")


def test_a_relative_file_is_meant_from_where_the_process_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_url("db+sqlite:///results.db").url.database == os.path.join(tmp_path, "results.db")
    assert read_url("sqlite:////var/tq.db").url.database == "/var/tq.db"


def test_options_of_the_driver_go_to_the_driver_and_ours_to_us() -> None:
    url = "postgresql://h/db?sslmode=require&table_prefix=x_&pool_size=2"
    assert dict(read_url(url).url.query) == {"sslmode": "require"}
    options = SqlBroker(url).options
    assert (options.table_prefix, options.pool_size) == ("x_", 2)


def test_options_may_come_from_the_settings_too() -> None:
    assert SqlBroker("sqlite:///tq.db", {"synchronous": "full"}).options.synchronous == "full"


def test_a_misspelt_option_gets_a_suggestion() -> None:
    with pytest.raises(ImproperlyConfigured, match="did you mean 'synchronous'"):
        SqlBroker("sqlite:///tq.db?syncronous=full")


@pytest.mark.parametrize("prefix", ["x; DROP TABLE users", "", "9x", "a" * 40, "tq-"])
def test_a_prefix_is_a_name(prefix: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="table_prefix"):
        SqlBroker("sqlite:///tq.db", {"table_prefix": prefix})


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "db+sqlite:///:memory:", "sqlite:///file:x"]
)
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="memory://"):
        SqlBroker(url)


def test_a_bare_at_sign_in_a_password_is_refused_and_not_sent_to_a_resolver() -> None:
    with pytest.raises(ImproperlyConfigured, match="as %40") as caught:
        SqlBroker("postgresql://tq:se@cret@localhost/shop")
    assert "cret" not in str(caught.value)


def test_a_parameter_that_would_be_passed_over_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="init_command"):
        SqlBroker("mysql://h/d?init_command=SET+x=1")


def test_two_slashes_are_one_too_few_for_a_file() -> None:
    with pytest.raises(ImproperlyConfigured, match="three slashes"):
        SqlBroker("sqlite://tq.db")


@pytest.mark.parametrize("url", ["oracle://u:s3cret@h/db", "db+mssql://u:s3cret@h/db"])
def test_a_database_that_is_not_spoken_here_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        SqlBroker(url)
    assert "s3cret" not in str(caught.value)


def test_another_driver_is_refused_with_the_one_to_write() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"mysql\+pymysql"):
        SqlBroker("mysql+mysqldb://h/db")
