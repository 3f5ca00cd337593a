"""tq's own commands: importing their modules registers them, once."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from tq.contracts.control import CommandInfo
from tq.worker.control import looking, memory, queues, sizes, tasks
from tq.worker.control.panel import Panel


def _all(*modules: ModuleType) -> Panel:
    panel = Panel()
    for module in modules:
        for value in vars(module).values():
            command: Any = getattr(value, "control", None)
            if isinstance(command, CommandInfo):
                panel.add(command)
    return panel


OWN: Final = _all(looking, memory, queues, sizes, tasks)
"""They are in no other panel, so that no module of an app can take their places by accident."""
