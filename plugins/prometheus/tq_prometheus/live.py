"""What is asked for at each scrape: queues, and the worker itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tq.contracts.hooks import WorkerInfo
from tq.errors import BrokerError

logger = logging.getLogger("tq.prometheus")

_COUNTS = ("ready", "delayed", "in_flight", "dead")


class LiveCollector(Collector):
    """Asks the worker, and through it the broker. What the broker cannot say is left out."""

    def __init__(self, worker: WorkerInfo) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        """The gauges of this moment."""
        worker, name = self._worker, [self._worker.hostname]
        up = GaugeMetricFamily("tq_worker_up", "1 while the worker takes tasks.", labels=["worker"])
        up.add_metric(name, float(worker.trouble() is None))
        slots = GaugeMetricFamily("tq_worker_concurrency", "Bodies that may run at once.", labels=["worker"])
        slots.add_metric(name, worker.concurrency)
        busy = GaugeMetricFamily("tq_worker_running", "Bodies that run now.", labels=["worker"])
        busy.add_metric(name, worker.running())
        yield from (up, slots, busy)
        yield from self._queues()

    def describe(self) -> Iterator[Metric]:
        """Names alone: registering asks nobody."""
        return iter(())

    def _queues(self) -> Iterator[Metric]:
        messages = GaugeMetricFamily(
            "tq_queue_messages", "What lies in a queue, by state.", labels=["queue", "state"]
        )
        age = GaugeMetricFamily(
            "tq_queue_oldest_age_seconds", "For how long the oldest ready message waits.", labels=["queue"]
        )
        consumers = GaugeMetricFamily(
            "tq_queue_consumers", "Consumers of live workers that read a queue.", labels=["queue"]
        )
        try:
            found = self._worker.queue_stats()
        except BrokerError as exc:
            logger.warning("the queues are not among the metrics now: %s", exc)
            return
        for stats in found:
            for state in _COUNTS:
                count = getattr(stats, state)
                if count is not None:
                    messages.add_metric([stats.name, state], count)
            if stats.ready == 0 or stats.oldest_age is not None:
                age.add_metric([stats.name], stats.oldest_age or 0.0)
            if stats.consumers is not None:
                consumers.add_metric([stats.name], stats.consumers)
        yield from (messages, age, consumers)
