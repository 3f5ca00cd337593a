"""From tq's hooks to the metrics."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tq import states
from tq.contracts.hooks import ExtraSetting, Page, RequestInfo, WorkerInfo, hookimpl
from tq.contracts.serializer import SettingsReader
from tq.errors import WorkerLost
from tq.records import Delivery, Envelope
from tq_prometheus.folder import Folder
from tq_prometheus.live import LiveCollector
from tq_prometheus.metrics import Metrics, of_clients

SENT = "tq_sent_at"
"""Header of a message: when it was published, unix time by the sender's clock."""
UNKNOWN = "(unknown)"
"""In place of names that anybody may send, and that would be a time series each."""


class PrometheusHooks:
    """One for each app. In a worker, all its processes count together."""

    def __init__(self) -> None:
        self._own: Metrics | None = None
        self._folder: Folder | None = None
        self._registry: CollectorRegistry | None = None

    @property
    def _metrics(self) -> Metrics:
        return self._own or of_clients()

    def wanted(self, settings: SettingsReader) -> bool:
        """As `prometheus_enabled` says; by default where a worker has an endpoint that can show the metrics."""
        enabled = settings["prometheus_enabled"]
        return settings["worker_health_address"] is not None if enabled is None else bool(enabled)

    @hookimpl
    def tq_settings(self) -> Sequence[ExtraSetting]:
        return [
            ExtraSetting(
                name="prometheus_enabled",
                type=bool | None,
                doc="Count for Prometheus; none: where `worker_health_address` is set. Clients that are to note when "
                "they sent a task, for the times that tasks waited, need it as well.",
            )
        ]

    # -- the worker ----------------------------------------------------------------------------------------

    @hookimpl
    def worker_starting(self, worker: WorkerInfo) -> None:
        self._folder = Folder.open()
        self._own = Metrics(None)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder.path))  # type: ignore[no-untyped-call, unused-ignore]
        registry.register(LiveCollector(worker))
        self._registry = registry

    @hookimpl
    def child_started(self) -> None:
        if self._folder is not None:
            with self._folder.locked():
                self._folder.sweep()

    @hookimpl
    def worker_stopped(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = self._registry = None

    @hookimpl
    def tq_pages(self) -> Sequence[Page]:
        return [Page(path="/metrics", content_type=CONTENT_TYPE_LATEST, body=self.page)]

    def page(self) -> bytes:
        """All metrics of the worker, in the text format of Prometheus."""
        if self._folder is None or self._registry is None:
            return b""
        with self._folder.locked():
            self._folder.sweep()
            return generate_latest(self._registry)

    # -- tasks ---------------------------------------------------------------------------------------------

    @hookimpl
    def task_prerun(self, request: RequestInfo) -> None:
        metrics, labels = self._metrics, (request.task, request.queue)
        waited = _waited(request, time.time())
        with metrics.lock:
            metrics.running.labels(*labels).inc()
            if waited is not None:
                metrics.wait_time.labels(*labels).observe(waited)

    @hookimpl
    def task_postrun(self, request: RequestInfo, state: str) -> None:
        metrics = self._metrics
        with metrics.lock:
            metrics.running.labels(request.task, request.queue).dec()
        if state == states.IGNORED:
            self._count(request, state)

    @hookimpl
    def task_success(self, request: RequestInfo, runtime: float) -> None:
        metrics = self._metrics
        with metrics.lock:
            metrics.run_time.labels(request.task, request.queue).observe(runtime)
        self._count(request, states.SUCCESS)

    @hookimpl
    def task_failure(self, request: RequestInfo, exception: BaseException) -> None:
        self._count(request, states.FAILURE)
        if isinstance(exception, WorkerLost):
            self._buried(request.queue, "worker lost")

    @hookimpl
    def task_retry(self, request: RequestInfo) -> None:
        self._count(request, states.RETRY)

    @hookimpl
    def task_rejected(self, request: RequestInfo, requeue: bool) -> None:
        self._count(request, states.REJECTED)
        if not requeue:
            self._buried(request.queue, "rejected")

    @hookimpl
    def task_revoked(self, name: str, reason: str) -> None:
        metrics = self._metrics
        with metrics.lock:
            metrics.tasks.labels(name, "", f"{states.REVOKED} ({reason})").inc()

    @hookimpl
    def task_unknown(self, delivery: Delivery) -> None:
        self._buried(delivery.queue, "unknown task")

    @hookimpl
    def message_rejected(self, delivery: Delivery) -> None:
        self._buried(delivery.queue, "unreadable")

    def _count(self, request: RequestInfo, state: str) -> None:
        metrics = self._metrics
        with metrics.lock:
            metrics.tasks.labels(request.task, request.queue, state).inc()

    def _buried(self, queue: str, cause: str) -> None:
        metrics = self._metrics
        with metrics.lock:
            metrics.dead.labels(queue, cause).inc()

    # -- messages ------------------------------------------------------------------------------------------

    @hookimpl
    def message_publishing(self, envelope: Envelope) -> None:
        envelope.message.headers[SENT] = round(time.time(), 3)

    @hookimpl
    def message_published(self, envelope: Envelope) -> None:
        metrics, name = self._metrics, envelope.message.headers.get("task")
        with metrics.lock:
            metrics.published.labels(name if isinstance(name, str) else UNKNOWN, envelope.queue).inc()


def _waited(request: RequestInfo, now: float) -> float | None:
    """Seconds that a task could have been running already; None where its sender does not say when it was sent."""
    sent = request.headers.get(SENT)
    if not isinstance(sent, int | float):
        return None
    eta = request.headers.get("eta")
    due = _unix(eta) if isinstance(eta, str) else None
    # The clocks of two machines are never the same.
    return max(0.0, now - max(sent, due or 0.0))


def _unix(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
