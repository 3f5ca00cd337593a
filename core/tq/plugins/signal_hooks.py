"""From hooks to Celery's signals: each hook, told in the keyword arguments that Celery's receivers expect."""

from __future__ import annotations

import traceback as _traceback
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tq.contracts.hooks import RequestInfo, WorkerInfo, hookimpl
from tq.contracts.pool import StopMode
from tq.errors import DecodeError, InvalidTask, NotRegistered, Retry
from tq.plugins.signal import Signal
from tq.records import Delivery, Envelope, Message
from tq.wire.exceptions import ExceptionInfo


class RevokedRequest(msgspec.Struct, frozen=True):
    """What is known of a task that will not run."""

    id: str
    task: str
    name: str


class SignalHooks:
    """Implements the hooks that `signals` names and no other; `tasks` turns a name into the sender."""

    def __init__(self, signals: Mapping[str, Signal], tasks: Mapping[str, object]) -> None:
        told = _Told(signals, tasks)
        for hook in signals:
            setattr(self, hook, getattr(told, hook))


class _Told:
    """Every hook that has a signal. Celery's names and arguments: `celery.signals` and where it sends them."""

    def __init__(self, signals: Mapping[str, Signal], tasks: Mapping[str, object]) -> None:
        self._signals = signals
        self._tasks = tasks

    def _sender(self, name: str) -> object:
        return self._tasks.get(name, name)

    def _send(self, hook: str, sender: object, **arguments: object) -> None:
        self._signals[hook].send(sender, **arguments)

    @hookimpl
    def worker_starting(self, worker: WorkerInfo) -> None:
        self._send("worker_starting", worker)

    @hookimpl
    def worker_ready(self, worker: WorkerInfo) -> None:
        self._send("worker_ready", worker)

    @hookimpl
    def worker_stopping(self, worker: WorkerInfo, mode: StopMode) -> None:
        cold = mode is StopMode.COLD
        how = "Cold" if cold else "Warm"
        self._send("worker_stopping", worker.hostname, sig="", how=how, exitcode=int(cold))

    @hookimpl
    def worker_stopped(self, worker: WorkerInfo) -> None:
        self._send("worker_stopped", worker)

    @hookimpl
    def child_started(self) -> None:
        self._send("child_started", None)

    @hookimpl
    def child_stopping(self, pid: int, exitcode: int) -> None:
        self._send("child_stopping", None, pid=pid, exitcode=exitcode)

    @hookimpl
    def task_received(self, request: RequestInfo) -> None:
        self._send("task_received", self._sender(request.task), request=request)

    @hookimpl
    def task_prerun(self, request: RequestInfo) -> None:
        task = self._sender(request.task)
        self._send("task_prerun", task, task=task, **_call(request))

    @hookimpl
    def task_postrun(self, request: RequestInfo, state: str, retval: object) -> None:
        task = self._sender(request.task)
        self._send("task_postrun", task, task=task, **_call(request), retval=retval, state=state)

    @hookimpl
    def task_success(self, request: RequestInfo, result: object, runtime: float) -> None:
        self._send("task_success", self._sender(request.task), result=result, runtime=runtime)

    @hookimpl
    def task_failure(self, request: RequestInfo, exception: BaseException, traceback: str) -> None:
        einfo = _einfo(exception, traceback)
        self._send(
            "task_failure",
            self._sender(request.task),
            **_call(request),
            exception=exception,
            traceback=einfo.tb,
            einfo=einfo,
        )

    @hookimpl
    def task_retry(self, request: RequestInfo, reason: Retry) -> None:
        einfo = _einfo(reason.exc or reason)
        self._send("task_retry", self._sender(request.task), request=request, reason=reason, einfo=einfo)

    @hookimpl
    def task_revoked(
        self, task_id: str, name: str, reason: Literal["revoked", "expired", "terminated"]
    ) -> None:
        self._send(
            "task_revoked",
            self._sender(name),
            request=RevokedRequest(task_id, name, name),
            terminated=reason == "terminated",
            signum=None,
            expired=reason == "expired",
        )

    @hookimpl
    def task_unknown(self, delivery: Delivery, name: str, task_id: str) -> None:
        exc = NotRegistered(name)
        self._send("task_unknown", None, name=name, id=task_id, message=delivery.message, exc=exc)

    @hookimpl
    def message_rejected(self, delivery: Delivery, reason: str) -> None:
        self._send("message_rejected", None, message=delivery.message, exc=InvalidTask(reason))

    @hookimpl
    def message_publishing(self, envelope: Envelope) -> None:
        if not self._signals["message_publishing"].receivers:
            return
        message = envelope.message
        self._send(
            "message_publishing",
            message.headers.get("task"),
            body=_body(message),
            **_route(envelope),
            headers=message.headers,
            properties=message.properties,
            declare=[],
            retry_policy={},
        )

    @hookimpl
    def message_published(self, envelope: Envelope) -> None:
        if not self._signals["message_published"].receivers:
            return
        message = envelope.message
        self._send(
            "message_published",
            message.headers.get("task"),
            headers=message.headers,
            body=_body(message),
            **_route(envelope),
        )


def _call(request: RequestInfo) -> dict[str, Any]:
    return {"task_id": request.id, "args": request.args, "kwargs": request.kwargs}


def _route(envelope: Envelope) -> dict[str, Any]:
    return {"exchange": envelope.exchange, "routing_key": envelope.routing_key or envelope.queue}


def _einfo(exc: BaseException, text: str = "") -> ExceptionInfo:
    text = text or "".join(_traceback.format_exception(exc))
    return ExceptionInfo(type(exc), exc, text, exc.__traceback__)


def _body(message: Message) -> object:
    """Celery's receivers see (args, kwargs, embed); what is compressed or not JSON stays as bytes."""
    if message.content_type != "application/json" or message.headers.get("compression"):
        return message.body
    from tq.wire.json import JsonSerializer

    try:
        body = JsonSerializer().loads(message.body)
    except DecodeError:
        return message.body
    return tuple(body) if isinstance(body, list) else body
