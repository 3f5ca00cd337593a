"""Spans of messages and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tq.errors import BrokerUnavailable, Retry
from tq.records import Envelope, Message
from tq_opentelemetry import OpenTelemetryHooks
from tq_opentelemetry.recent import Recent
from tq_opentelemetry.words import LINKS


class FakeRequest:
    """A run as hooks see it."""

    def __init__(self, headers: Mapping[str, Any]) -> None:
        self.id: str = headers["id"]
        self.task, self.queue = "shop.mail", "mails"
        self.args: Sequence[Any] = ()
        self.kwargs: Mapping[str, Any] = {}
        self.retries, self.attempt = 0, 1
        self.headers = headers


@pytest.fixture
def hooks() -> OpenTelemetryHooks:
    return OpenTelemetryHooks()


def envelope(task_id: str = "1", **headers: Any) -> Envelope:
    return Envelope(
        Message({"id": task_id, "task": "shop.mail", "root_id": "r", **headers}, {}, b"[]"), "mails"
    )


def sent(
    hooks: OpenTelemetryHooks, task_id: str = "1", follows: Sequence[str] = (), **headers: Any
) -> dict[str, Any]:
    message = envelope(task_id, **headers)
    hooks.message_publishing(message, follows)
    if not follows:
        hooks.message_published(message)
    return message.message.headers


def run(hooks: OpenTelemetryHooks, headers: Mapping[str, Any], state: str = "SUCCESS") -> None:
    request = FakeRequest(headers)
    hooks.task_prerun(request)
    hooks.task_postrun(request, state)


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


def test_a_run_is_below_the_message_and_the_message_below_what_sent_it(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        headers = sent(hooks)
    run(hooks, headers)
    [producer], [consumer] = named(spans, "send mails"), named(spans, "process mails")
    assert (producer.kind, consumer.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert producer.parent is not None
    assert producer.parent.span_id == request.get_span_context().span_id
    assert consumer.parent is not None
    assert consumer.parent.span_id == span_id(producer)
    assert consumer.attributes is not None
    assert dict(consumer.attributes) == {
        "messaging.system": "tq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mails",
        "messaging.message.id": "1",
        "messaging.message.conversation_id": "r",
        "tq.task.name": "shop.mail",
        "tq.task.retries": 0,
        "tq.task.attempt": 1,
        "tq.task.state": "SUCCESS",
    }


def test_spans_of_the_body_are_below_the_run_and_nothing_is_left_behind(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    request = FakeRequest(sent(hooks))
    hooks.task_prerun(request)
    with trace.get_tracer("test").start_as_current_span("query"):
        sent(hooks, "2")
    hooks.task_postrun(request, "SUCCESS")
    assert not trace.get_current_span().get_span_context().is_valid
    [consumer], [query] = named(spans, "process mails"), named(spans, "query")
    assert query.parent is not None
    assert query.parent.span_id == span_id(consumer)
    assert {trace_of(span) for span in spans.get_finished_spans()} == {trace_of(consumer)}


def test_a_failure_is_an_exception_with_a_status_and_a_retry_without_one(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    for task_id in ("1", "2"):
        request = FakeRequest(sent(hooks, task_id))
        hooks.task_prerun(request)
        if task_id == "1":
            hooks.task_failure(request, ValueError("no"))
        else:
            hooks.task_retry(request, Retry(exc=KeyError("later"), when=1))
        hooks.task_postrun(request, "...")
    failed, retried = named(spans, "process mails")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "ValueError"
    assert retried.status.status_code is StatusCode.UNSET
    assert [event.name for span in (failed, retried) for event in span.events] == ["exception", "exception"]


def test_a_message_that_is_not_accepted_ends_as_an_error(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    message = envelope()
    hooks.message_publishing(message, ())
    hooks.message_failed(message, BrokerUnavailable("gone"))
    [producer] = named(spans, "send mails")
    assert producer.status.status_code is StatusCode.ERROR


def test_the_next_of_a_chain_is_below_the_run_before_it(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    run(hooks, sent(hooks, "1"))
    run(hooks, sent(hooks, "2", follows=["1"]))
    first, second = named(spans, "process mails")
    _, between = named(spans, "send mails")
    assert between.parent is not None
    assert between.parent.span_id == span_id(first)
    assert second.parent is not None
    assert second.parent.span_id == span_id(between)
    assert trace_of(first) == trace_of(second)


def test_the_body_of_a_chord_is_linked_to_the_members(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    members = [str(number) for number in range(3)]
    for member in members:
        run(hooks, sent(hooks, member))
    headers = sent(hooks, "body", follows=[*members, "elsewhere"])
    run(hooks, headers)
    *ran, body = named(spans, "process mails")
    assert [link.context.span_id for link in body.links] == [span_id(member) for member in ran]
    assert LINKS not in sent(hooks, "again", **{LINKS: headers[LINKS]})


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "nonsense"},
        {"traceparent": 7, "tracestate": ["x"]},
        {LINKS: "x"},
        {LINKS: [1, "nonsense", None, "00-0-0-00"]},
    ],
)
def test_headers_of_strangers_disturb_nobody(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter, headers: dict[str, Any]
) -> None:
    run(hooks, {"id": "1", **headers})
    [span] = named(spans, "process mails")
    assert span.parent is None
    assert not span.links


def test_a_sender_may_give_a_context_of_its_own(
    hooks: OpenTelemetryHooks, spans: InMemorySpanExporter
) -> None:
    sent(hooks, traceparent=f"00-{7:032x}-{9:016x}-01")
    [producer] = named(spans, "send mails")
    assert trace_of(producer) == 7


def test_what_is_remembered_is_bounded() -> None:
    recent: Recent[int] = Recent(2)
    for number in range(5):
        recent.put(number, number)
    assert recent.all_of(range(5)) == [3, 4]
    assert recent.pop(3) == 3
    assert recent.pop(3) is None


@pytest.mark.parametrize(("enabled", "expected"), [(None, True), (True, True), (False, False)])
def test_it_works_where_there_is_a_provider_unless_switched_off(
    spans: InMemorySpanExporter, enabled: bool | None, expected: bool
) -> None:
    assert OpenTelemetryHooks().wanted({"opentelemetry_enabled": enabled}) is expected


def test_without_a_provider_it_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    assert not OpenTelemetryHooks().wanted({"opentelemetry_enabled": None})
