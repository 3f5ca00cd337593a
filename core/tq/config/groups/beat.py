"""Settings of beat, which sends periodic tasks."""

from __future__ import annotations

from typing import Any

from tq.config.setting import Setting
from tq.config.types import Name, Seconds

GROUP = "Beat"

SETTINGS = (
    Setting(
        name="beat_schedule",
        type=dict[str, dict[str, Any]],
        default={},
        doc="Periodic tasks by name: `task`, `schedule` (seconds, timedelta or crontab), `args`, `kwargs`, "
        "`options`, `relative`.",
        group=GROUP,
        not_yet="this version has no scheduler",
    ),
    Setting(
        name="beat_scheduler",
        type=Name,
        default="file",
        doc="Name of the scheduler's plugin, or `module:attribute` of a class.",
        group=GROUP,
        not_yet="this version has no scheduler",
    ),
    Setting(
        name="beat_schedule_filename",
        type=Name,
        default=".tq/schedule.db",
        doc="File in which beat keeps when each entry ran last.",
        group=GROUP,
        not_yet="this version has no scheduler",
    ),
    Setting(
        name="beat_max_loop_interval",
        type=Seconds,
        default=0.0,
        unit="seconds",
        doc="Longest sleep of beat between two looks at its schedule; 0: the scheduler decides.",
        group=GROUP,
        not_yet="this version has no scheduler",
    ),
)
