"""Celery's signals, as a thin face on the hooks (`tq.contracts.hooks`).

    from tq.signals import task_failure

    @task_failure.connect
    def report(sender, task_id, exception, **kwargs): ...

Receivers get Celery's keyword arguments. What differs: `sender` of the worker's signals is the worker as its
hooks see it; `body` of the publishing signals is a copy, so that changing it has no effect (headers and
properties can be changed); `worker_shutting_down` comes when the pool has stopped, with an empty `sig`.
Connect in the modules that the worker imports: what is connected after its start is heard only for signals
that had a receiver by then.

Source of names and arguments: Celery 5.7, `celery.signals`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from tq.plugins.signal import Signal

__all__ = [
    "Signal",
    "after_setup_logger",
    "after_setup_task_logger",
    "after_task_publish",
    "beat_embedded_init",
    "beat_init",
    "before_task_publish",
    "plugin",
    "setup_logging",
    "task_failure",
    "task_postrun",
    "task_prerun",
    "task_received",
    "task_rejected",
    "task_retry",
    "task_revoked",
    "task_success",
    "task_unknown",
    "worker_init",
    "worker_process_init",
    "worker_process_shutdown",
    "worker_ready",
    "worker_shutdown",
    "worker_shutting_down",
]

before_task_publish: Final = Signal("before_task_publish")
"""body, exchange, routing_key, headers, properties, declare, retry_policy; sender: the task's name."""
after_task_publish: Final = Signal("after_task_publish")
"""headers, body, exchange, routing_key; sender: the task's name."""
task_received: Final = Signal("task_received")
"""request."""
task_prerun: Final = Signal("task_prerun")
"""task_id, task, args, kwargs."""
task_postrun: Final = Signal("task_postrun")
"""task_id, task, args, kwargs, retval, state."""
task_success: Final = Signal("task_success")
"""result, runtime (seconds)."""
task_failure: Final = Signal("task_failure")
"""task_id, exception, args, kwargs, traceback, einfo."""
task_retry: Final = Signal("task_retry")
"""request, reason, einfo."""
task_revoked: Final = Signal("task_revoked")
"""request (its id and task), terminated, signum, expired."""
task_rejected: Final = Signal("task_rejected")
"""message, exc: what cannot be read as a task. Without a sender."""
task_unknown: Final = Signal("task_unknown")
"""name, id, message, exc. Without a sender."""
worker_init: Final = Signal("worker_init")
worker_ready: Final = Signal("worker_ready")
worker_shutting_down: Final = Signal("worker_shutting_down")
"""sig, how ("Warm" or "Cold"), exitcode; sender: the worker's name."""
worker_shutdown: Final = Signal("worker_shutdown")
worker_process_init: Final = Signal("worker_process_init")
"""In a child process, before its first task. Without a sender."""
worker_process_shutdown: Final = Signal("worker_process_shutdown")
"""pid, exitcode; in a child process that ends. Without a sender."""

# Sent by the command line itself; there are no hooks of these.
setup_logging: Final = Signal("setup_logging")
"""loglevel, logfile, format, colorize. With a receiver, a worker or beat sets no logging up: that is the receiver's."""
after_setup_logger: Final = Signal("after_setup_logger")
"""logger (the root), loglevel, logfile, format, colorize: logging is set up."""
after_setup_task_logger: Final = Signal("after_setup_task_logger")
"""The same, with the logger above those of tasks (`tq.log.get_task_logger`)."""
beat_init: Final = Signal("beat_init")
"""`tq beat` starts; sender: the beat."""
beat_embedded_init: Final = Signal("beat_embedded_init")
"""A beat starts inside of a worker (-B); sender: the beat."""

_BY_HOOK: Final[Mapping[str, Signal]] = {
    "message_publishing": before_task_publish,
    "message_published": after_task_publish,
    "message_rejected": task_rejected,
    "task_received": task_received,
    "task_prerun": task_prerun,
    "task_postrun": task_postrun,
    "task_success": task_success,
    "task_failure": task_failure,
    "task_retry": task_retry,
    "task_revoked": task_revoked,
    "task_unknown": task_unknown,
    "worker_starting": worker_init,
    "worker_ready": worker_ready,
    "worker_stopping": worker_shutting_down,
    "worker_stopped": worker_shutdown,
    "child_started": worker_process_init,
    "child_stopping": worker_process_shutdown,
}


def plugin(tasks: Mapping[str, object] | None = None, *, always: Collection[str] = ()) -> object:
    """An implementation of those hooks whose signals have receivers now, for `HookManager.register`.

    `tasks` maps names to the task objects that receivers get as `sender`; without it they get the name.
    Hooks named in `always` are implemented anyway, so that receivers may come later.
    """
    from tq.plugins.signal_hooks import SignalHooks

    signals = {hook: signal for hook, signal in _BY_HOOK.items() if hook in always or signal.receivers}
    return SignalHooks(signals, tasks or {})
