"""The commands about tasks: revoke, rates, limits, events."""

from __future__ import annotations

import logging
import signal as signals
from collections.abc import Mapping, Sequence
from typing import Any

from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured
from tq.policy.ratelimit import parse_rate
from tq.worker.answers import Question
from tq.worker.control.panel import nok, ok, own
from tq.worker.control.state import ControlState

logger = logging.getLogger("tq.control")

_MOST = 10_000
"""Ids of one request."""


@own("control", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(
    state: ControlState,
    task_id: str | Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    **more: Any,
) -> Any:
    """Revoke task by task id (or list of ids)."""
    ids = _ids(task_id)
    if isinstance(ids, dict):
        return ids
    state.quietly(lambda: state.app.revoke(ids, terminate=bool(terminate), signal=_name(signal)))
    if not terminate:
        logger.info("tasks flagged as revoked: %.300s", ", ".join(ids))
        return ok(f"tasks {set(ids)} flagged as revoked")
    known = {info["id"] for answer in state.ask(Question(tasks=True)) for info in answer.active}
    ended = [each for each in ids if each in known]
    return ok(f"terminate: {', '.join(ended)}" if ended else "terminate: tasks unknown")


@own("control", variadic="task_id", args=[("signal", str)], signature="<signal> [id1 [id2 [... [idN]]]]")
def terminate(state: ControlState, signal: str, task_id: str | Sequence[str], **more: Any) -> Any:
    """Terminate task by task id (or list of ids)."""
    return revoke(state, task_id, terminate=True, signal=signal)


@own("control", variadic="headers", signature="[key1=value1 [key2=value2 [... [keyN=valueN]]]]")
def revoke_by_stamped_headers(
    state: ControlState,
    headers: Mapping[str, Any] | Sequence[str],
    terminate: bool = False,
    signal: str | int | None = None,
    **more: Any,
) -> Any:
    """Revoke tasks by their stamps."""
    stamps = dict(headers) if isinstance(headers, Mapping) else dict(_pair(each) for each in headers)
    state.quietly(
        lambda: state.app.revoke_by_stamped_headers(stamps, terminate=bool(terminate), signal=_name(signal))
    )
    return ok(f"headers {stamps} " + ("revoked" if terminate else "flagged as revoked, but not terminated"))


def _pair(text: str) -> tuple[str, str]:
    header, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not header=value")
    return header, value


def _ids(task_id: Any) -> list[str] | dict[str, Any]:
    ids = [task_id] if isinstance(task_id, str) else list(task_id or ())
    if len(ids) > _MOST:
        return nok(f"{len(ids)} ids are too many for one request; send at most {_MOST}")
    if not all(isinstance(each, str) and 0 < len(each) <= 1024 for each in ids):
        return nok("a task id is a text of 1 to 1024 characters")
    return ids


def _name(signal: str | int | None) -> str:
    """`KILL`, `SIGKILL` and 9 are the same. Raises `ValueError` for what is no signal."""
    if signal is None or signal == "":
        return "SIGTERM"
    try:
        if isinstance(signal, int) or signal.isdigit():
            return signals.Signals(int(signal)).name
        text = signal.upper()
        return signals.Signals[text if text.startswith("SIG") else f"SIG{text}"].name
    except (KeyError, ValueError) as exc:
        raise ValueError(f"{signal!r} is no signal") from exc


@own(
    "control",
    args=[("task_name", str), ("rate_limit", str)],
    signature="<task_name> <rate_limit (e.g., 5/s | 5/m | 5/h)>",
)
def rate_limit(state: ControlState, task_name: str, rate_limit: str | float | None, **more: Any) -> Any:
    """Change the rate limit of a task."""
    limit = rate_limit or None
    try:
        parse_rate(limit)
    except ImproperlyConfigured as exc:
        return nok(f"Invalid rate limit string: {exc}")
    if task_name not in state.setup.executor.plans:
        return nok("unknown task")
    state.change(task=task_name, rate_limit=limit if limit is not None else 0)
    logger.info("new rate limit of task %s: %s", task_name, limit)
    return ok("new rate limit set successfully" if limit else "rate limit disabled successfully")


@own(
    "control",
    args=[("task_name", str), ("soft", float), ("hard", float)],
    signature="<task_name> <soft_secs> [hard_secs]",
)
def time_limit(
    state: ControlState,
    task_name: str,
    hard: float | None = None,
    soft: float | None = None,
    **more: Any,
) -> Any:
    """Change the time limits of a task."""
    if task_name not in state.setup.executor.plans:
        return nok("unknown task")
    limits = {"hard": _seconds(hard), "soft": _seconds(soft)}
    state.change(task=task_name, **limits)
    logger.info("new time limits of task %s: soft=%s hard=%s", task_name, soft, hard)
    return ok("time limits set successfully")


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    seconds = float(value)
    if not 0 < seconds < 1e9:
        raise ValueError(f"{value!r} is no time limit in seconds")
    return seconds


@own("control")
def enable_events(state: ControlState, **more: Any) -> Any:
    """Tell worker(s) to send task-related events."""
    events = state.worker.events
    if events is None:
        return nok("event dispatcher unavailable")
    return ok("task events enabled" if events.enable() else "task events already enabled")


@own("control")
def disable_events(state: ControlState, **more: Any) -> Any:
    """Tell worker(s) to stop sending task-related events."""
    events = state.worker.events
    if events is None:
        return nok("event dispatcher unavailable")
    return ok("task events disabled" if events.disable() else "task events already disabled")


@own("control", visible=False)
def election(state: ControlState, id: str, topic: str, action: Mapping[str, Any], **more: Any) -> Any:
    """Have one of all workers that hear this send a task: the broker takes it once."""
    if topic != "task":
        return nok(f"elections are about the topic 'task', not {topic!r:.100}")
    if Cap.UNIQUE not in state.app.broker.capabilities:
        return nok("this broker cannot take a task just once, so nobody is elected; send the task yourself")
    chosen = _ids(id)
    if isinstance(chosen, dict):
        return chosen
    signature = state.app.signature(dict(action))
    state.quietly(lambda: signature.apply_async(task_id=f"election-{chosen[0]}", unique=True))
    return ok(f"task {signature.task} is sent once")


@own("control")
def heartbeat(state: ControlState, **more: Any) -> Any:
    """Tell worker(s) to send an event heartbeat at once."""
    events = state.worker.events
    if events is not None:
        events.asked(state.worker.pool)
