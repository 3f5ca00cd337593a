"""OpenTelemetry traces of tq, through its hooks. See the README for what they hold."""

from tq_opentelemetry.hooks import OpenTelemetryHooks

__all__ = ["OpenTelemetryHooks"]
