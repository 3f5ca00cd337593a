"""From an app and its settings to a worker."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

import pytest

from tq import TQ
from tq.app import work
from tq.app.work import WorkerOptions, expand_hostname, make_worker, queues_of
from tq.contracts.pool import Pool, PoolCap
from tq.errors import ImproperlyConfigured
from tq.plugins import registry
from tq.policy.batch import LARGEST
from tq.worker.setup import WorkerSetup
from tq.worker.slots import SlotsEngine
from tq.worker.solo import SoloPool


class Able(SoloPool):
    """Claims everything."""

    capabilities: ClassVar[PoolCap] = ~PoolCap.NONE


class Plain(SoloPool):
    """Runs several at once, and keeps nothing else."""

    capabilities: ClassVar[PoolCap] = PoolCap.CONCURRENCY


def setup_of(app: TQ, pool: type[Pool], monkeypatch: pytest.MonkeyPatch, **options: Any) -> WorkerSetup:
    monkeypatch.setattr(registry, "load_pool", lambda name: pool)
    setup = make_worker(app, WorkerOptions(**options)).pool.setup
    assert isinstance(setup, WorkerSetup)
    return setup


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (None, "tq@box.example.org"),
        ("", "tq@box.example.org"),
        ("mails", "mails@box.example.org"),
        ("mails@%h", "mails@box.example.org"),
        ("w@%n", "w@box"),
        ("%n@%d", "box@example.org"),
        ("w%i@x%I", "w@x"),
    ],
)
def test_a_node_name_is_expanded_as_celery_does(
    monkeypatch: pytest.MonkeyPatch, pattern: str | None, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box.example.org")
    assert expand_hostname(pattern) == name


@pytest.mark.parametrize(
    ("settings", "options", "queues"),
    [
        ({}, {}, ("celery",)),
        ({"task_default_queue": "home"}, {}, ("home",)),
        ({"task_queues": ["a", "b"]}, {}, ("a", "b")),
        ({"task_queues": ["a", "b"]}, {"exclude_queues": ["a"]}, ("b",)),
        ({"task_queues": ["a"]}, {"queues": ["x", "a", "x"]}, ("x", "a")),
        ({}, {"queues": ["x", "y"], "exclude_queues": ["y"]}, ("x",)),
    ],
)
def test_the_queues_to_read(make_app: Any, settings: Any, options: Any, queues: tuple[str, ...]) -> None:
    assert queues_of(make_app(**settings), WorkerOptions(**options)) == queues


def test_queues_that_cannot_be_read_are_refused(make_app: Any) -> None:
    app = make_app(task_queues=["a"], task_create_missing_queues=False)
    with pytest.raises(ImproperlyConfigured, match=r"-Q names typo.*declared: a"):
        queues_of(app, WorkerOptions(queues=["a", "typo"]))
    with pytest.raises(ImproperlyConfigured, match="-X excludes all"):
        queues_of(app, WorkerOptions(exclude_queues=["a"]))


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"time_limit": 5}, {}, "time_limit"),
    ({"soft_time_limit": 5}, {}, "soft_time_limit"),
    ({}, {"task_time_limit": 5}, "time_limit"),
    ({"max_tasks_per_child": 5}, {}, "max_tasks_per_child"),
    ({"max_memory_per_child": 5}, {}, "max_memory_per_child"),
    ({}, {"worker_max_memory_per_child": 5}, "max_memory_per_child"),
    ({"autoscale": (4, 1)}, {}, "autoscale"),
]


@pytest.mark.parametrize(("options", "settings", "says"), REFUSALS)
def test_what_a_pool_cannot_keep_is_refused_and_what_it_can_is_taken(
    make_app: Any, monkeypatch: pytest.MonkeyPatch, options: Any, settings: Any, says: str
) -> None:
    app = make_app(**settings)
    with pytest.raises(ImproperlyConfigured, match=rf"the solo pool cannot keep {says}.*-P prefork"):
        setup_of(app, Plain, monkeypatch, **options)
    setup_of(app, Able, monkeypatch, **options)


def test_a_limit_of_a_task_is_refused_by_the_task_s_name(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    app.task(name="shop.slow", time_limit=5)(lambda: None)
    with pytest.raises(ImproperlyConfigured, match=r"time_limit \(of task shop\.slow\)"):
        setup_of(app, Plain, monkeypatch)


def test_concurrency_comes_from_options_settings_or_the_machine(
    make_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "usable_cpus", lambda: 6)
    app = make_app(worker_concurrency=3)
    assert setup_of(app, Plain, monkeypatch).concurrency == 3
    assert setup_of(app, Plain, monkeypatch, concurrency=5).concurrency == 5
    assert setup_of(app, Able, monkeypatch, autoscale=(9, 2)).concurrency == 2
    assert setup_of(make_app(), Plain, monkeypatch).concurrency == 6
    with pytest.raises(ImproperlyConfigured, match=r"-c 5 cannot work"):
        setup_of(app, SoloPool, monkeypatch, concurrency=5)


def test_options_win_over_settings(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(task_time_limit=9, task_soft_time_limit=8, worker_max_tasks_per_child=7)
    setup = setup_of(app, Able, monkeypatch)
    assert (setup.limits.time_limit, setup.limits.soft_time_limit, setup.max_tasks_per_child) == (9, 8, 7)
    setup = setup_of(app, Able, monkeypatch, time_limit=3, soft_time_limit=2, max_tasks_per_child=1)
    assert (setup.limits.time_limit, setup.limits.soft_time_limit, setup.max_tasks_per_child) == (3, 2, 1)


@pytest.mark.parametrize(("pool", "rate"), [(Able, 2.0), (Plain, 8.0)])
def test_processes_that_receive_for_themselves_share_a_rate(
    make_app: Any, monkeypatch: pytest.MonkeyPatch, pool: type[Pool], rate: float
) -> None:
    app = make_app(worker_concurrency=4)
    app.task(name="t", rate_limit=8)(lambda: None)
    bucket = setup_of(app, pool, monkeypatch).executor.plans["t"].bucket
    assert bucket is not None
    assert bucket.rate == rate


def test_a_prefetch_multiplier_caps_what_is_taken_for_each_slot(
    make_app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setup, largest in (
        (setup_of(make_app(), Plain, monkeypatch), LARGEST),
        (setup_of(make_app(worker_prefetch_multiplier=0), Plain, monkeypatch), LARGEST),
        (setup_of(make_app(worker_prefetch_multiplier=4), Plain, monkeypatch), 4),
        (setup_of(make_app(worker_prefetch_multiplier=4), Plain, monkeypatch, prefetch_multiplier=1), 1),
    ):
        assert setup.largest_batch == largest
        engine = setup.slots_engine([setup.local_seat() for _ in range(3)], lambda job, seat: None)
        assert isinstance(engine, SlotsEngine)
        assert engine._size._largest == min(LARGEST + 3, largest * 3)


def test_a_rate_limit_is_kept_and_nothing_is_lost(app: TQ, run_worker: Any) -> None:
    import time

    began: list[float] = []
    app.task(name="t", rate_limit=50)(lambda: began.append(time.monotonic()))
    results = [app.send_task("t") for _ in range(8)]
    with run_worker(app):
        for result in results:
            result.get(timeout=30)
    assert len(began) == 8
    assert began[-1] - began[0] >= 7 / 50 * 0.99
