"""From an app and its settings to a worker that is ready to run."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from tq.app import flows
from tq.app.extras import hooks_of
from tq.app.plan import plan_of
from tq.app.relaying import own_queue, relays_of
from tq.app.remote import answer_control, is_controlled, prepare_answers, what_is_missing
from tq.app.telling import events_of_worker, hooks_with
from tq.contracts.broker import Cap
from tq.contracts.pool import Pool, PoolCap
from tq.contracts.results import BackendCap
from tq.errors import ImproperlyConfigured
from tq.plugins import registry
from tq.policy.batch import LARGEST
from tq.wire.ids import new_id
from tq.worker.autoscale import Autoscaler
from tq.worker.board import Board, keeping
from tq.worker.chords import Chords
from tq.worker.engine import Limits
from tq.worker.execute import Executor
from tq.worker.link import Stores
from tq.worker.losses import Losses
from tq.worker.revocations import Revocations
from tq.worker.run import Observers
from tq.worker.setup import WorkerSetup
from tq.worker.worker import Worker

if TYPE_CHECKING:
    from tq.app.app import TQ


class WorkerOptions(msgspec.Struct, frozen=True):
    """What a command line may say over the settings; None: as the settings say. Limits in seconds,
    `max_memory_per_child` in KiB, `autoscale` as (largest, smallest)."""

    hostname: str | None = None
    concurrency: int | None = None
    pool: str | None = None
    queues: Sequence[str] = ()
    exclude_queues: Sequence[str] = ()
    time_limit: float | None = None
    soft_time_limit: float | None = None
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    autoscale: tuple[int, int] | None = None
    prefetch_multiplier: int | None = None
    without_heartbeat: bool = False
    board: Board | None = None
    """Keeps what runs where a supervisor sees it."""


NO_WORKER_OPTIONS = WorkerOptions()


def make_worker(app: TQ, options: WorkerOptions = NO_WORKER_OPTIONS) -> Worker:
    """Put a worker together; nothing is connected yet.

    Raises `ImproperlyConfigured` for an option that the chosen pool cannot keep, and `PluginError`.
    """
    conf = app.conf
    pool_name = options.pool or conf.worker_pool
    pool_class = _pool_class(pool_name, options.board)
    hostname = expand_hostname(options.hostname)
    concurrency = concurrency_of(app, options, pool_class)
    limits = Limits(
        options.soft_time_limit or conf.task_soft_time_limit, options.time_limit or conf.task_time_limit
    )
    max_tasks = options.max_tasks_per_child or conf.worker_max_tasks_per_child
    max_memory = options.max_memory_per_child or conf.worker_max_memory_per_child
    _refuse_what_the_pool_cannot(app, pool_name, pool_class, options, limits, max_tasks, max_memory)
    heard = broadcasts_of(app, options)
    own = own_queue(app) if heard else ""
    stores = _stores(app, (*queues_of(app, options), *filter(None, (own,))), hostname)
    hooks = hooks_of(app)
    processes = _processes(pool_class, max(options.autoscale) if options.autoscale else concurrency)
    executor = _executor(app, hostname, hooks.bind, processes)
    setup = WorkerSetup(
        stores,
        executor,
        Losses(stores, executor, conf.worker_max_attempts),
        concurrency=concurrency,
        max_tasks_per_child=max_tasks,
        max_memory_per_child=max_memory,
        hostname=hostname,
        limits=limits,
        largest_batch=options.prefetch_multiplier or conf.worker_prefetch_multiplier or LARGEST,
        child_started=hooks.bind("child_started"),
        child_stopping=hooks.bind("child_stopping"),
    )
    controlled = is_controlled(app)
    if controlled:
        prepare_answers(app, setup, processes)
    scaler = Autoscaler(*options.autoscale) if options.autoscale else None
    events = events_of_worker(app, setup, heartbeats=not options.without_heartbeat)
    ticks = [each.tick for each in (scaler, events) if each is not None]
    worker = Worker(
        setup,
        pool_class,
        shutdown_timeout=conf.worker_shutdown_timeout,
        hooks=hooks_with(events, hooks.bind) if events is not None else hooks.bind,
        on_tick=_in_turn(ticks) if ticks else None,
    )
    worker.events = events
    if scaler is not None:
        scaler.look = worker.queue_stats
    worker.relays = relays_of(app, setup, own, heard)
    worker.warning = what_is_missing(app)
    if controlled:
        answer_control(app, worker, setup, hooks, pool_name=pool_name, autoscaler=scaler)
    if conf.worker_health_address:
        from tq.app.health import answer_probes  # an HTTP server: a MiB that most workers do not need

        answer_probes(worker, setup, conf.worker_health_address, hooks)
    return worker


def _pool_class(name: str, board: Board | None) -> type[Pool]:
    found = registry.load_pool(name)
    return found if board is None else keeping(board, found)


def _processes(pool_class: type[Pool], most: int) -> int:
    """Children of an isolated pool receive for themselves."""
    return most if PoolCap.ISOLATED in pool_class.capabilities else 1


def _stores(app: TQ, queues: tuple[str, ...], hostname: str) -> Stores:
    conf = app.conf
    return Stores(
        broker=app.broker,
        backend=app.backend,
        queues=queues,
        lease=conf.broker_lease,
        new_consumer_id=lambda: f"{hostname}:{os.getpid()}:{new_id()}",
        publish_timeout=conf.broker_publish_timeout,
        chords=_chords(app),
        broadcasts=app.broadcasts,
    )


def _in_turn(ticks: Sequence[Callable[[Pool], None]]) -> Callable[[Pool], None]:
    def tick(pool: Pool) -> None:
        for each in ticks:
            each(pool)

    return tick


def _executor(
    app: TQ, hostname: str, bind: Callable[[str], Callable[..., None] | None], processes: int
) -> Executor:
    conf = app.conf
    result_serializer = app.serializers[conf.result_serializer]

    def freeze(value: Any) -> Any:
        return result_serializer.loads(result_serializer.dumps(value))

    revocations = Revocations(app.broker) if Cap.REVOKE in app.broker.capabilities else None
    return Executor(
        plans={
            name: plan_of(task, conf, processes=processes)
            for name, task in {**app.builtin, **app.tasks}.items()
        },
        readers=app.serializers.readers(conf.accept_content),
        size_limit=conf.message_size_limit,
        hostname=hostname,
        freeze=freeze if app.backend is not None else None,
        follow_up=app.follow_up,
        counts=app.backend is not None and BackendCap.GROUPS in app.backend.capabilities,
        revocations=revocations,
        max_attempts=conf.worker_max_attempts,
        observers=Observers(**{field.name: bind(field.name) for field in fields(Observers)}),
    )


def _chords(app: TQ) -> Chords | None:
    """What counts the members of chords, where the store of results can."""
    if app.backend is None or BackendCap.GROUPS not in app.backend.capabilities:
        return None
    complete = partial(flows.after_chord, app)
    return Chords(app.broker, app.backend, complete, app.conf.broker_publish_timeout, app.broadcasts)


def expand_hostname(pattern: str | None) -> str:
    """A worker's node name: `%h` whole host name, `%n` its first part, `%d` its domain; default `tq@%h`."""
    host = socket.gethostname()
    name, _, domain = host.partition(".")
    text = pattern or "tq@%h"
    for sign, value in (("%h", host), ("%n", name), ("%d", domain), ("%i", ""), ("%I", "")):
        text = text.replace(sign, value)
    return text if "@" in text else f"{text}@{host}"


def queues_of(app: TQ, options: WorkerOptions) -> tuple[str, ...]:
    """The queues to read: those named, else those declared, else the default one; less those excluded. Without
    broadcasts, which are no queues of the broker."""
    return tuple(queue for queue in _chosen(app, options) if queue not in app.broadcasts)


def broadcasts_of(app: TQ, options: WorkerOptions) -> tuple[str, ...]:
    """The broadcasts among what is to be read. Raises `ImproperlyConfigured` where the broker cannot broadcast."""
    heard = tuple(queue for queue in _chosen(app, options) if queue in app.broadcasts)
    for queue in heard:
        app.broadcasts.check(app.broker, queue)
    return heard


def _chosen(app: TQ, options: WorkerOptions) -> tuple[str, ...]:
    conf = app.conf
    declared = tuple(queue.name for queue in conf.task_queues or ())
    chosen = tuple(options.queues) or declared or (conf.task_default_queue,)
    if options.queues and declared and not conf.task_create_missing_queues:
        unknown = [queue for queue in options.queues if queue not in declared]
        if unknown:
            raise ImproperlyConfigured(
                f"-Q names {', '.join(unknown)}, which task_queues does not declare "
                f"(task_create_missing_queues is off); declared: {', '.join(declared)}"
            )
    left = tuple(dict.fromkeys(queue for queue in chosen if queue not in options.exclude_queues))
    if not left:
        raise ImproperlyConfigured("no queue is left to read: -X excludes all of them")
    return left


def concurrency_of(app: TQ, options: WorkerOptions, pool_class: type[Pool]) -> int:
    """How many bodies run at once: as told, else one per processor."""
    if PoolCap.CONCURRENCY not in pool_class.capabilities:
        asked = options.concurrency
        if asked is not None and asked > 1:
            raise ImproperlyConfigured(
                f"this pool runs one task at a time, so -c {asked} cannot work; choose -P prefork or -P threads"
            )
        return 1
    if options.autoscale:
        return options.autoscale[1]
    return options.concurrency or app.conf.worker_concurrency or usable_cpus()


def usable_cpus() -> int:
    """The processors that this process may use: a container's share where the system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _refuse_what_the_pool_cannot(
    app: TQ,
    name: str,
    pool_class: type[Pool],
    options: WorkerOptions,
    limits: Limits,
    max_tasks: int | None,
    max_memory: int | None,
) -> None:
    can = pool_class.capabilities
    tasks = list(app.tasks.values())
    soft = next((t.name for t in tasks if t.soft_time_limit), None)
    hard = next((t.name for t in tasks if t.time_limit), None)
    wishes = (
        (PoolCap.SOFT_LIMIT, "soft_time_limit", limits.soft_time_limit or soft),
        (PoolCap.HARD_LIMIT, "time_limit", limits.time_limit or hard),
        (PoolCap.RECYCLE, "max_tasks_per_child", max_tasks),
        (PoolCap.RECYCLE, "max_memory_per_child", max_memory),
        (PoolCap.RESIZE, "autoscale", options.autoscale),
    )
    for cap, what, wish in wishes:
        if wish and cap not in can:
            where = f" (of task {wish})" if isinstance(wish, str) else ""
            raise ImproperlyConfigured(
                f"the {name} pool cannot keep {what}{where}; it would silently not work. "
                "Use -P prefork, or take the option away"
            )
