"""The Grafana dashboard that comes with the plugin."""

from __future__ import annotations

from importlib.resources import files


def dashboard() -> str:
    """Its JSON, as Grafana imports it."""
    return (files("tq_prometheus") / "dashboard.json").read_text("utf-8")
