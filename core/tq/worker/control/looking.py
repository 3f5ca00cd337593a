"""The commands that look: `inspect active`, `stats`, `registered`, ..."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from tq.options import mask_url
from tq.worker.answers import Answer, Question
from tq.worker.control.panel import ok, own
from tq.worker.control.rusage import rusage
from tq.worker.control.state import ControlState

_SHOWN = ("exchange", "routing_key", "rate_limit")
_TASKS = Question(tasks=True)


def truth(text: str) -> bool:
    """A yes or no of the command line."""
    return text.strip().lower() in ("1", "true", "yes", "on", "y", "t")


@own("inspect", default_timeout=0.2)
def ping(state: ControlState, **more: Any) -> Any:
    """Ping worker(s)."""
    return ok("pong")


@own("inspect")
def clock(state: ControlState, **more: Any) -> Any:
    """Get current logical clock value."""
    return {"clock": state.app.clock.value}


@own("inspect", alias="dump_active")
def active(state: ControlState, safe: bool = False, **more: Any) -> Any:
    """List tasks that run now."""
    return [info for answer in state.ask(_TASKS) for info in answer.active]


@own("inspect", alias="dump_reserved")
def reserved(state: ControlState, **more: Any) -> Any:
    """List tasks that the worker holds and has not begun."""
    return [info for answer in state.ask(_TASKS) for info in answer.reserved]


@own("inspect", alias="dump_schedule")
def scheduled(state: ControlState, **more: Any) -> Any:
    """List tasks that wait in the worker for their time; most brokers keep them themselves."""
    return [entry for answer in state.ask(_TASKS) for entry in answer.scheduled]


@own("inspect", variadic="ids", signature="[id1 [id2 [... [idN]]]]")
def query_task(state: ControlState, ids: Sequence[str] | str, **more: Any) -> Any:
    """Query for task information by id."""
    wanted = {ids} if isinstance(ids, str) else set(ids)
    found = {}
    for answer in state.ask(_TASKS):
        for kind, info in _with_kinds(answer):
            if info["id"] in wanted:
                found[info["id"]] = [kind, info]
    return found


def _with_kinds(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    return [
        *(("scheduled", entry["request"]) for entry in answer.scheduled),
        *(("reserved", info) for info in answer.reserved),
        *(("active", info) for info in answer.active),
    ]


@own("inspect", alias="dump_revoked")
def revoked(state: ControlState, **more: Any) -> Any:
    """List revoked task ids."""
    revocations = state.setup.executor.revocations
    if revocations is None:
        return []
    state.quietly(revocations.refresh)
    return [name for name in list(revocations.known) if not name.startswith("stamp:")][-10_000:]


@own("inspect", alias="dump_tasks", variadic="taskinfoitems", signature="[attr1 [attr2 [... [attrN]]]]")
def registered(
    state: ControlState, taskinfoitems: Sequence[str] | None = None, builtins: bool = False, **more: Any
) -> Any:
    """List registered tasks, with some of their attributes."""
    items = [item for item in taskinfoitems or _SHOWN if isinstance(item, str) and not item.startswith("_")]
    tasks = {**state.app.builtin, **state.app.tasks} if builtins else dict(state.app.tasks)
    return [_described(tasks[name], items) for name in sorted(tasks)]


def _described(task: Any, items: Sequence[str]) -> str:
    said = [f"{item}={value}" for item in items if (value := getattr(task, item, None)) is not None]
    return f"{task.name} [{' '.join(said)}]" if said else str(task.name)


@own("inspect")
def stats(state: ControlState, **more: Any) -> Any:
    """Request worker statistics."""
    setup, pool = state.setup, state.worker.pool
    tally = setup.tally
    totals = tally.totals() if tally is not None else {}
    found = {
        "total": totals,
        "pid": os.getpid(),
        "clock": str(state.app.clock.value),
        "uptime": round(time.monotonic() - state.started),
        "pool": {
            "implementation": f"{type(pool).__module__}:{type(pool).__qualname__}",
            "max-concurrency": state.autoscaler.size if state.autoscaler is not None else setup.concurrency,
            "processes": list(pool.pids()) or [os.getpid()],
            "max-tasks-per-child": setup.max_tasks_per_child or "N/A",
            "put-guarded-by-semaphore": False,
            "timeouts": [setup.limits.soft_time_limit or 0, setup.limits.time_limit or 0],
            "writes": _writes(state, sum(totals.values())),
        },
        "broker": broker_info(state.app),
        "prefetch_count": setup.largest_batch,
        "rusage": rusage(),
    }
    if state.autoscaler is not None:
        found["autoscaler"] = state.autoscaler.info()
    return found


def _writes(state: ControlState, total: int) -> dict[str, Any]:
    seats = state.worker.pool.seats()
    ended = [seat.finished for seat in seats]
    shares = [count / max(sum(ended), 1) for count in ended]
    return {
        "total": total,
        "avg": f"{1 / max(len(ended), 1):.2f}",
        "all": ", ".join(f"{share:.2f}" for share in shares),
        "raw": ", ".join(map(str, ended)),
        "strategy": "fair",
        "inqueues": {"total": len(ended), "active": 0},
    }


def broker_info(app: Any) -> dict[str, Any]:
    """The broker's address as Celery takes it apart, without password."""
    from urllib.parse import urlsplit

    shown = mask_url(app.conf.broker_url)
    try:
        parts = urlsplit(shown)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        parts, host, port, user = urlsplit(""), None, None, None
    scheme = parts.scheme or shown.partition(":")[0]
    return {
        "hostname": host,
        "userid": user,
        "virtual_host": parts.path.lstrip("/") or "/",
        "port": port,
        "insist": False,
        "ssl": scheme.partition("+")[0].endswith("s"),
        "transport": scheme,
        "connect_timeout": None,
        "transport_options": {},
        "login_method": None,
        "uri_prefix": None,
        "heartbeat": None,
        "failover_strategy": "round-robin",
        "alternates": [],
        "credential_provider": None,
    }


@own("inspect")
def active_queues(state: ControlState, **more: Any) -> Any:
    """List the task queues a worker is currently consuming from."""
    declared = {queue.name: queue for queue in state.app.queues}
    return [_queue(name, declared.get(name)) for name in state.setup.stores.queues]


def _queue(name: str, declared: Any) -> dict[str, Any]:
    arguments = dict(getattr(declared, "queue_arguments", None) or {}) or None
    return {
        "name": name,
        "exchange": {
            "name": getattr(declared, "exchange", "") or name,
            "type": getattr(declared, "exchange_type", "direct"),
            "arguments": None,
            "durable": True,
            "passive": False,
            "auto_delete": False,
            "delivery_mode": None,
            "no_declare": False,
        },
        "routing_key": getattr(declared, "routing_key", "") or name,
        "queue_arguments": arguments,
        "binding_arguments": None,
        "consumer_arguments": None,
        "durable": True,
        "exclusive": False,
        "auto_delete": False,
        "no_ack": False,
        "alias": None,
        "bindings": [],
        "no_declare": None,
        "expires": None,
        "message_ttl": None,
        "max_length": None,
        "max_length_bytes": None,
        "max_priority": getattr(declared, "max_priority", None),
    }


@own("inspect", alias="dump_conf", signature="[include_defaults=False]", args=[("with_defaults", truth)])
def conf(state: ControlState, with_defaults: bool = False, **more: Any) -> Any:
    """List configuration."""
    return state.app.conf.table(with_defaults)


@own("inspect")
def report(state: ControlState, **more: Any) -> Any:
    """Information about the installation, for bug reports."""
    return ok(state.app.bugreport())


@own("inspect", visible=False)
def hello(state: ControlState, from_node: str, revoked: Any = None, **more: Any) -> Any:
    """Answer a Celery worker that starts: what is revoked, and the clock."""
    if from_node == state.hostname:
        return None
    known = state.setup.executor.revocations
    ids = [name for name in list(known.known) if not name.startswith("stamp:")] if known is not None else []
    return {"revoked": ids[-10_000:], "clock": state.app.clock.forward()}
