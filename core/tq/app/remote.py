"""Puts the remote control of a worker together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tq.app.plan import plan_of
from tq.contracts.broker import Cap
from tq.contracts.control import CommandInfo
from tq.plugins.hooks import HookManager
from tq.wire.protocol import read_task
from tq.worker.answers import Answers, Change
from tq.worker.autoscale import Autoscaler
from tq.worker.control.commands import OWN
from tq.worker.control.mailbox import Mailbox
from tq.worker.control.panel import PANEL, Panel
from tq.worker.control.state import ControlState
from tq.worker.setup import WorkerSetup
from tq.worker.tally import Tally
from tq.worker.worker import Worker

if TYPE_CHECKING:
    from tq.app.app import TQ


def is_controlled(app: TQ) -> bool:
    """Whether workers of this app can be reached."""
    return bool(app.conf.worker_enable_remote_control) and Cap.BROADCAST in app.broker.capabilities


def what_is_missing(app: TQ) -> str | None:
    """A sentence where workers should be reached and cannot."""
    if is_controlled(app) or not app.conf.worker_enable_remote_control:
        return None
    return (
        f"{type(app.broker).__name__} cannot broadcast, so `tq inspect`, `tq control` and events do not reach this "
        "worker; worker_enable_remote_control = false says that this is all right"
    )


def prepare_answers(app: TQ, setup: WorkerSetup, processes: int) -> None:
    """Have the engines of this worker say what they do, and take changes. Before there are engines."""
    executor = setup.executor
    setup.tally = executor.tally = Tally(executor.plans)

    def read(message: Any) -> Any:
        return read_task(message, executor.readers, size_limit=executor.size_limit)

    setup.answers = Answers(setup.hostname, read, _change(app, setup, processes))


def answer_control(
    app: TQ,
    worker: Worker,
    setup: WorkerSetup,
    hooks: HookManager,
    *,
    pool_name: str,
    autoscaler: Autoscaler | None,
) -> None:
    """Give the worker a mailbox."""
    state = ControlState(app, worker, setup, pool_name=pool_name, autoscaler=autoscaler)
    worker.mailbox = Mailbox(app.broker, state, commands_of(hooks), app.clock)


def commands_of(hooks: HookManager) -> Panel:
    """tq's own commands, those of decorators, and those of hook plugins."""
    found = [each.value for each in hooks.collect("tq_control_commands")]
    return OWN.with_more([each for each in (*found, *PANEL.all()) if isinstance(each, CommandInfo)])


def _change(app: TQ, setup: WorkerSetup, processes: int) -> Change:
    def change(what: Mapping[str, Any]) -> None:
        plans: Any = setup.executor.plans
        name = str(what.get("task"))
        if name not in plans:
            return
        task = app.task_named(name)
        for field, attribute in _CHANGES.items():
            if field in what:
                setattr(task, attribute, what[field])
        plans[name] = plan_of(task, app.conf, processes=processes)

    return change


_CHANGES = {"rate_limit": "rate_limit", "soft": "soft_time_limit", "hard": "time_limit"}
