"""The rules of every hook plugin."""

from __future__ import annotations

from tq.testing import HooksConformance
from tq_opentelemetry.hooks import OpenTelemetryHooks


class TestOpenTelemetryHooks(HooksConformance):
    plugin = OpenTelemetryHooks
