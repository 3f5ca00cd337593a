"""Remote control, at the worker's side. Commands of an app are made by the decorators; see docs/control.md."""

from tq.worker.control.panel import PANEL, Panel, command_of, control_command, inspect_command, nok, ok
from tq.worker.control.state import ControlState

__all__ = [
    "PANEL",
    "ControlState",
    "Panel",
    "command_of",
    "control_command",
    "inspect_command",
    "nok",
    "ok",
]
