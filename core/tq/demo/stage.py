"""Where the demo runs: broker, result backend, queue and worker, all gone afterwards."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tq import TQ
from tq.app.work import usable_cpus
from tq.contracts.broker import Cap
from tq.contracts.pool import PoolCap
from tq.demo.run import WorkerEnded
from tq.errors import ImproperlyConfigured, PluginError
from tq.options import mask_url
from tq.plugins import registry
from tq.wire.ids import new_id

_START = 10.0
_LOOK = 0.02
_SLICE = 500


class Place(msgspec.Struct, frozen=True):
    """The URLs of one run, and what its worker is made of."""

    broker: str
    backend: str
    pool: str
    workers: int
    queue: str


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of this run alone."""
    with tempfile.TemporaryDirectory(prefix="tq-demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def choose(
    home: Path, app: TQ, *, broker: str | None, backend: str | None, pool: str | None, workers: int | None
) -> Place:
    """Fill in what nobody said: an embedded database in `home`, the pool of the settings, all processors.

    Raises `PluginError` for what is not installed.
    """
    embedded = f"sqlite:///{home / 'tq.db'}"
    broker = broker or embedded
    name, size = _pool(app, pool)
    # A queue of its own: workers that share the broker must not see these tasks.
    queue = f"tq-demo-{new_id()[:8]}"
    return Place(broker, backend or _backend_beside(broker) or embedded, name, workers or size, queue)


def connect(app: TQ, place: Place) -> None:
    """Point the app to the place. Raises `ImproperlyConfigured` for a broker of one process only."""
    urls = {"broker_url": place.broker, "result_backend": place.backend}
    app.conf.assign(urls, origin="tq demo")
    if Cap.SHARED not in app.broker.capabilities:
        raise ImproperlyConfigured(
            f"{mask_url(place.broker)} lives in one process, and the demo's worker is another one"
        )


def environment(place: Place) -> dict[str, str]:
    """The same for its worker: in the environment, where nobody can read passwords off a process list."""
    return {"TQ_BROKER_URL": place.broker, "TQ_RESULT_BACKEND": place.backend}


def worker_options(place: Place, log: Path) -> list[str]:
    """The options of its worker."""
    size = ["-c", str(place.workers)] if place.workers > 1 else []
    return ["-Q", place.queue, "-P", place.pool, *size, "-l", "WARNING", "-f", str(log)]


def await_worker(app: TQ, place: Place, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the worker reads its queue, so that its start is not measured."""
    deadline = time.monotonic() + _START
    while Cap.STATS in app.broker.capabilities and time.monotonic() < deadline:
        check(process, log)
        if app.broker.stats(place.queue).consumers:
            return
        time.sleep(_LOOK)


def check(process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise `WorkerEnded` with its last words where the worker is gone."""
    status = process.poll()
    if status is not None:
        said = log.read_text(errors="replace").strip() if log.exists() else ""
        raise WorkerEnded(f"the demo's worker ended with status {status}. {said[-2000:]}".rstrip())


def tidy(app: TQ, place: Place, task_ids: list[str]) -> None:
    """Take back from the stores what a run put there; what others put there stays."""
    if Cap.PURGE in app.broker.capabilities:
        app.broker.purge(place.queue)
    if app.backend is not None:
        for start in range(0, len(task_ids), _SLICE):
            app.backend.forget(task_ids[start : start + _SLICE])


def _backend_beside(broker: str) -> str | None:
    try:
        registry.backend_class(broker)
    except PluginError:
        return None
    return broker


def _pool(app: TQ, wanted: str | None) -> tuple[str, int]:
    """The pool's name and its size by default; without the default pool's plugin it is the core's own."""
    name = wanted or app.conf.worker_pool
    try:
        found = registry.load_pool(name)
    except PluginError:
        if wanted or app.conf.is_set("worker_pool"):
            raise
        name, found = "solo", registry.load_pool("solo")
    return name, usable_cpus() if PoolCap.CONCURRENCY in found.capabilities else 1
