"""Which source wins, when each is read, and what `origin` says."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tq.config import Settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tq.toml").write_text('task_default_queue = "file"\n')
    return tmp_path


def test_the_file_wins_over_the_default(project: Path) -> None:
    conf = Settings(cwd=project, environ={})
    assert conf.task_default_queue == "file"
    assert conf.origin("task_default_queue") == str(project / "tq.toml")


def test_the_environment_wins_over_the_file(project: Path) -> None:
    conf = Settings(cwd=project, environ={"TQ_TASK_DEFAULT_QUEUE": "env"})
    assert conf.task_default_queue == "env"


def test_an_object_wins_over_the_environment(project: Path) -> None:
    conf = Settings(cwd=project, environ={"TQ_TASK_DEFAULT_QUEUE": "env"})
    conf.add_object({"task_default_queue": "object"})
    assert conf.task_default_queue == "object"
    assert conf.origin("task_default_queue") == "config_from_object('dict')"


def test_python_wins_over_an_object_whatever_came_first(project: Path) -> None:
    conf = Settings({"task_default_queue": "python"}, cwd=project, environ={})
    conf.add_object({"task_default_queue": "object", "worker_pool": "solo"})
    assert (conf.task_default_queue, conf.worker_pool) == ("python", "solo")
    assert conf.origin("task_default_queue") == "TQ(...)"


def test_of_two_objects_the_later_wins_name_by_name() -> None:
    conf = Settings(files=False, environ={})
    conf.add_object({"worker_pool": "solo", "timezone": "UTC"})
    conf.add_object({"worker_pool": "threads"})
    assert (conf.worker_pool, conf.timezone) == ("threads", "UTC")


def test_in_python_the_last_write_wins_also_after_a_read() -> None:
    conf = Settings({"worker_concurrency": 1}, files=False, environ={})
    assert conf.worker_concurrency == 1
    conf.update({"worker_concurrency": 2})
    assert conf.worker_concurrency == 2
    conf.worker_concurrency = 3
    assert conf.worker_concurrency == 3
    conf["worker_concurrency"] = 4
    assert conf["worker_concurrency"] == 4
    conf.assign({"worker_concurrency": 5}, origin="--concurrency")
    assert (conf.worker_concurrency, conf.origin("worker_concurrency")) == (5, "--concurrency")


def test_an_update_with_one_wrong_value_changes_nothing() -> None:
    conf = Settings(files=False, environ={})
    with pytest.raises(AttributeError):
        conf.update(worker_concurrency=2, worker_concurency=2)
    assert conf.worker_concurrency is None


def test_nothing_is_read_before_the_first_setting(tmp_path: Path) -> None:
    conf = Settings({"worker_pool": "solo"}, cwd=tmp_path, environ={})
    (tmp_path / "tq.toml").write_text("worker_concurrency = 7\n")
    assert conf.worker_concurrency == 7
    (tmp_path / "tq.toml").write_text("worker_concurrency = 8\n")
    assert conf.worker_concurrency == 7


def test_the_process_own_environment_and_folder_are_the_usual_ones(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("TQ_WORKER_POOL", "solo")
    conf = Settings()
    assert (conf.task_default_queue, conf.worker_pool) == ("file", "solo")


def test_without_files_the_file_does_not_count(project: Path) -> None:
    assert Settings(files=False, cwd=project, environ={"TQ_PROFILE": "x"}).task_default_queue == "celery"


def test_the_embedded_file_keeps_results_only_where_nobody_names_a_broker() -> None:
    conf = Settings(files=False, environ={})
    assert conf.result_backend == conf.broker_url == "sqlite:///.tq/tq.db"
    assert not conf.is_set("broker_url")
    conf.broker_url = "redis://localhost"
    assert conf.result_backend is None
    conf.result_backend = "redis://localhost/1"
    assert conf.result_backend == "redis://localhost/1"


def test_results_can_be_switched_off_with_the_embedded_file() -> None:
    assert Settings({"result_backend": None}, files=False, environ={}).result_backend is None
    assert Settings({"result_backend": "disabled://"}, files=False, environ={}).result_backend is None


def test_changed_holds_what_some_source_gives(project: Path) -> None:
    conf = Settings({"worker_pool": "solo"}, cwd=project, environ={"TQ_TIMEZONE": "UTC"})
    assert conf.changed == {"worker_pool": "solo", "task_default_queue": "file", "timezone": "UTC"}


def test_durations_may_be_timedeltas_in_python() -> None:
    conf = Settings({"result_expires": dt.timedelta(hours=1)}, files=False, environ={})
    conf.broker_lease = dt.timedelta(minutes=1)  # type: ignore[assignment]
    assert (conf.result_expires, conf.broker_lease) == (3600.0, 60.0)


def test_it_reads_like_a_mapping() -> None:
    conf = Settings(files=False, environ={})
    assert "worker_pool" in conf
    assert "worker_pol" not in conf
    assert conf.get("worker_pool") == "prefork"
    assert conf.get("worker_pol", 3) == 3
    assert len(conf) == len(list(conf))
