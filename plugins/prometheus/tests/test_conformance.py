"""The rules of every hook plugin."""

from __future__ import annotations

from tq.testing import HooksConformance
from tq_prometheus import PrometheusHooks


class TestPrometheusHooks(HooksConformance):
    plugin = PrometheusHooks
