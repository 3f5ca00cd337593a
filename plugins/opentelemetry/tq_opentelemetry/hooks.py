"""From tq's hooks to spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Token
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tq import __version__
from tq.contracts.hooks import ExtraSetting, RequestInfo, hookimpl
from tq.contracts.serializer import SettingsReader
from tq.errors import Retry
from tq.records import Envelope
from tq_opentelemetry import words
from tq_opentelemetry.recent import Recent

_MOST_OPEN = 10_000
"""Spans that wait for their end: of messages that are being sent, and of runs."""
_MOST_ENDED = 4_096
"""Runs whose contexts are remembered, for what follows them."""
_TRACEPARENT = "traceparent"


class OpenTelemetryHooks:
    """One for each app. The tracer is that of the global provider, whenever the program sets it."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("tq", __version__)
        self._sending: Recent[Span] = Recent(_MOST_OPEN)
        self._running: Recent[tuple[Span, Token[Context]]] = Recent(_MOST_OPEN)
        self._ended: Recent[SpanContext] = Recent(_MOST_ENDED)

    def wanted(self, settings: SettingsReader) -> bool:
        """As `opentelemetry_enabled` says; by default where the program has set a tracer provider by now."""
        enabled = settings["opentelemetry_enabled"]
        if enabled is None:
            return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        return bool(enabled)

    @hookimpl
    def tq_settings(self) -> Sequence[ExtraSetting]:
        return [
            ExtraSetting(
                name="opentelemetry_enabled",
                type=bool | None,
                doc="Make spans of messages and runs; none: where a tracer provider is set when the worker starts, or "
                "the app first publishes. A program that sets one later says true.",
            )
        ]

    # -- messages ------------------------------------------------------------------------------------------

    @hookimpl
    def message_publishing(self, envelope: Envelope, follows: Sequence[str]) -> None:
        headers = envelope.message.headers
        before = self._ended.all_of(follows)
        links = [Link(each) for each in before] if len(follows) > 1 else []
        span = self._tracer.start_span(
            f"send {envelope.queue}",
            context=_above(headers, before),
            kind=SpanKind.PRODUCER,
            attributes=words.attributes("send", envelope.queue, headers)
            | {words.BODY_SIZE: len(envelope.message.body)},
            links=links[: words.MOST_LINKS],
        )
        # What a retry sends again has those of its last attempt.
        headers.pop(words.LINKS, None)
        if span.get_span_context().is_valid:
            propagate.inject(headers, context=trace.set_span_in_context(span))
            if links:
                headers[words.LINKS] = [_text(each) for each in before[: words.MOST_LINKS]]
        if follows:
            span.end()
        else:
            self._sending.put(headers.get("id"), span)

    @hookimpl
    def message_published(self, envelope: Envelope) -> None:
        span = self._sending.pop(envelope.message.headers.get("id"))
        if span is not None:
            span.end()

    @hookimpl
    def message_failed(self, envelope: Envelope, exception: BaseException) -> None:
        span = self._sending.pop(envelope.message.headers.get("id"))
        if span is not None:
            _fail(span, exception)
            span.end()

    # -- runs ----------------------------------------------------------------------------------------------

    @hookimpl
    def task_prerun(self, request: RequestInfo) -> None:
        headers = _texts(request.headers)
        above = propagate.extract(headers)
        span = self._tracer.start_span(
            f"process {request.queue}",
            context=above,
            kind=SpanKind.CONSUMER,
            attributes=words.attributes("process", request.queue, request.headers)
            | {words.RETRIES: request.retries, words.ATTEMPT: request.attempt},
            links=_links(request.headers.get(words.LINKS)),
        )
        token = contexts.attach(trace.set_span_in_context(span, above))
        self._running.put(id(request), (span, token))

    @hookimpl
    def task_failure(self, request: RequestInfo, exception: BaseException) -> None:
        self._note(request, exception)

    @hookimpl
    def task_rejected(self, request: RequestInfo, reason: str) -> None:
        found = self._running.get(id(request))
        if found is not None:
            found[0].set_status(Status(StatusCode.ERROR, reason))

    @hookimpl
    def task_retry(self, request: RequestInfo, reason: Retry) -> None:
        found = self._running.get(id(request))
        if found is not None and reason.exc is not None:
            found[0].record_exception(reason.exc)

    @hookimpl
    def task_postrun(self, request: RequestInfo, state: str) -> None:
        found = self._running.pop(id(request))
        if found is None:
            return
        span, token = found
        span.set_attribute(words.STATE, state)
        span.end()
        if span.get_span_context().is_valid:
            self._ended.put(request.id, span.get_span_context())
        contexts.detach(token)

    def _note(self, request: RequestInfo, exception: BaseException) -> None:
        found = self._running.get(id(request))
        if found is not None:
            _fail(found[0], exception)


def _above(headers: Mapping[str, Any], before: Sequence[SpanContext]) -> Context | None:
    """The context of a message that is sent: the running one, else that of the task it follows, else what its sender
    gave with `headers`."""
    if trace.get_current_span().get_span_context().is_valid:
        return None
    if before:
        return trace.set_span_in_context(trace.NonRecordingSpan(before[-1]))
    return propagate.extract(_texts(headers)) if _TRACEPARENT in headers else None


def _texts(headers: Mapping[str, Any]) -> dict[str, str]:
    """Headers that propagators can read; a message may hold anything."""
    return {key: value for key, value in headers.items() if isinstance(value, str)}


def _fail(span: Span, exception: BaseException) -> None:
    span.record_exception(exception)
    span.set_status(Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"))
    span.set_attribute(words.ERROR, type(exception).__qualname__)


def _text(context: SpanContext) -> str:
    carrier: dict[str, str] = {}
    above = trace.set_span_in_context(trace.NonRecordingSpan(context))
    TraceContextTextMapPropagator().inject(carrier, context=above)
    return carrier[_TRACEPARENT]


def _links(texts: Any) -> list[Link]:
    if not isinstance(texts, list):
        return []
    found = []
    for text in texts[: words.MOST_LINKS]:
        if isinstance(text, str):
            context = TraceContextTextMapPropagator().extract({_TRACEPARENT: text})
            linked = trace.get_current_span(context).get_span_context()
            if linked.is_valid:
                found.append(Link(linked))
    return found
