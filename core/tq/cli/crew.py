"""From the command line of a worker to those of the processes of its crew."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.core import ParameterSource

from tq.cli.processes import Processes, worker_command
from tq.contracts.pool import PoolCap
from tq.errors import ImproperlyConfigured
from tq.worker.setup import WorkerSetup
from tq.worker.worker import Worker

_GLOBAL = frozenset({"workdir", "quiet"})
_FOR_THE_SUPERVISOR = frozenset(
    {
        "processes",
        "hostname",
        "detach",
        "pidfile",
        "beat",
        "schedule_file",
        "scheduler",
        "purge",
        "parent_pid",
    }
)


def crew_of(ready: Worker, count: int, *, on_ready: Callable[[], None] | None) -> Processes:
    """The supervisor of `count` workers like this one, which itself is not run.

    Raises `ImproperlyConfigured` for a pool, or an option, that does not go with several processes.
    """
    if os.name != "posix":
        raise ImproperlyConfigured(
            f"--processes {count}: this system cannot share a board between processes; start {count} workers instead"
        )
    setup = ready.pool.setup
    assert isinstance(setup, WorkerSetup)
    if PoolCap.ISOLATED in ready.pool.capabilities:
        raise ImproperlyConfigured(
            f"--processes {count}: this pool has a process for each task already; say how many by -c"
        )
    if PoolCap.CONCURRENCY not in ready.pool.capabilities:
        raise ImproperlyConfigured(
            f"--processes {count}: this pool runs one task at a time; choose -P prefork -c {count}"
        )
    if ready.health is not None:
        raise ImproperlyConfigured(
            f"--processes {count}: the processes cannot all answer probes at one address; take --health (or "
            "worker_health_address) away"
        )
    context = click.get_current_context()
    assert context.parent is not None
    words = [
        *("-q", *words_again(context.parent, _GLOBAL)),
        *("worker", *words_again(context, _FOR_THE_SUPERVISOR)),
    ]
    name, _, host = ready.hostname.partition("@")

    def command(number: int) -> Sequence[str]:
        return worker_command(words, f"{name}-{number}@{host}")

    return Processes(command, count, ready.concurrency, setup.losses, on_ready)


def words_again(context: click.Context, leave_out: frozenset[str]) -> list[str]:
    """The options that were given on the command line, as words of another one."""
    words: list[str] = []
    for param in context.command.params:
        name = param.name or ""
        if name in leave_out or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        words.append(max(param.opts, key=len))
        if not getattr(param, "is_flag", False):
            words.append(_text(name, context.params[name]))
    return words


def _text(name: str, value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return "auto" if name == "concurrency" and value == 0 else str(value)
