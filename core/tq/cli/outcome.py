"""The state and result of a task as `tq result` and `tq call --wait` show them."""

from __future__ import annotations

import json
from typing import Any

import click
import msgspec

from tq import states
from tq.app.app import TQ
from tq.cli.output import write_facts, write_json
from tq.contracts.results import ResultBackend
from tq.errors import ImproperlyConfigured, RemoteError
from tq.records import TaskMeta

NOT_READY = 3
FAILED = 4
"""Exit statuses besides 0 for SUCCESS, 1 for an error of the command and 2 for its wrong use."""


def backend_of(app: TQ) -> ResultBackend:
    """The app's result backend. Raises `ImproperlyConfigured` where it has none."""
    if app.backend is None:
        raise ImproperlyConfigured(
            "no result backend is configured, so results are not kept; give --result-backend URL before the "
            "command, or set result_backend"
        )
    return app.backend


def look_up(app: TQ, task_id: str) -> TaskMeta:
    """What the backend knows; a document of state PENDING where that is nothing."""
    return backend_of(app).get([task_id]).get(task_id) or TaskMeta(task_id, states.PENDING)


def exit_status(meta: TaskMeta) -> int:
    """0, `NOT_READY` or `FAILED`."""
    if meta.status == states.SUCCESS:
        return 0
    return FAILED if meta.status in states.READY_STATES else NOT_READY


def write_outcome(app: TQ, meta: TaskMeta, *, as_json: bool, traceback: bool) -> None:
    """Write it to stdout. In JSON everything that is known, for people state and result."""
    if as_json:
        document = msgspec.structs.asdict(meta)
        always = ("task_id", "status", "result")
        write_json({name: value for name, value in document.items() if name in always or value is not None})
        return
    facts: list[tuple[str, Any]] = [("state", meta.status), *_result(app, meta)]
    if meta.date_done:
        facts.append(("done", meta.date_done))
    write_facts(facts)
    if traceback and meta.traceback:
        click.echo(f"\n{meta.traceback.rstrip()}")


def _result(app: TQ, meta: TaskMeta) -> list[tuple[str, str]]:
    if meta.status == states.PENDING:
        return [("", "not started, or unknown: PENDING is also the state of an id that nobody knows")]
    if meta.status in states.EXCEPTION_STATES:
        exc = app.rebuild(meta.result)
        return [("error", str(exc) if isinstance(exc, RemoteError) else f"{type(exc).__name__}: {exc}")]
    return [("result", _text(meta.result))]


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
