"""Prometheus metrics of tq, through its hooks. See the README for their names."""

from tq_prometheus.hooks import PrometheusHooks

__all__ = ["PrometheusHooks"]
