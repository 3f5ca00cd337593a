"""An app whose worker is watched: its spans go into a file, its metrics to the health endpoint."""

from __future__ import annotations

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from tq import TQ

SPANS = "TQ_TEST_SPANS"
app = TQ("watched", set_as_current=False, prometheus_enabled=True)

if SPANS in os.environ:
    _file = Path(os.environ[SPANS]).open("a")  # noqa: SIM115 - open as long as the process lives
    _provider = TracerProvider()
    _provider.add_span_processor(
        SimpleSpanProcessor(
            ConsoleSpanExporter(out=_file, formatter=lambda span: span.to_json(indent=None) + "\n")
        )
    )
    trace.set_tracer_provider(_provider)


@app.task
def inner(number: int) -> int:
    return number + 1


@app.task
def outer(number: int) -> str:
    return inner.delay(number).id


@app.task
def broken() -> None:
    raise ValueError("no")
