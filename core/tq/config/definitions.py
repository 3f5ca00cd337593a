"""All settings that tq itself has, in the order of the reference."""

from __future__ import annotations

from tq.config.groups import beat, broker, general, result, task, worker
from tq.config.setting import Setting

DEFINITIONS: tuple[Setting, ...] = (
    *general.SETTINGS,
    *broker.SETTINGS,
    *result.SETTINGS,
    *task.SETTINGS,
    *worker.SETTINGS,
    *beat.SETTINGS,
)
