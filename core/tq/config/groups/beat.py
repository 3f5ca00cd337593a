"""Settings of beat, which sends periodic tasks."""

from __future__ import annotations

from typing import Any

from tq.config.setting import Setting
from tq.config.types import Lease, Name, Seconds

GROUP = "Beat"

SETTINGS = (
    Setting(
        name="beat_schedule",
        type=dict[str, dict[str, Any]],
        default={},
        doc="Periodic tasks by name: `task`, `schedule` (seconds, timedelta, or of `tq.schedules`), `args`, "
        "`kwargs`, `options`, `relative`, `zone`, `misfire`, `catch_up`, `grace`, `overlap`, `enabled`.",
        group=GROUP,
    ),
    Setting(
        name="beat_scheduler",
        type=Name,
        default="auto",
        doc="Where beats keep entries and find each other: a URL, a scheme (the broker's or result backend's "
        "URL of that scheme is taken), `file`, or `module:Class`. `auto`: the broker's database where a plugin "
        "can, else the result backend's, else a file.",
        group=GROUP,
    ),
    Setting(
        name="beat_schedule_filename",
        type=Name,
        default=".tq/schedule.json",
        doc='The file of `beat_scheduler = "file"`, for beats of one machine.',
        group=GROUP,
    ),
    Setting(
        name="beat_lease",
        type=Lease,
        default=10.0,
        unit="seconds",
        doc="How long a beat leads without a sign of life: so much later than usual come the ticks after its "
        "sudden death. The same for all beats.",
        group=GROUP,
    ),
    Setting(
        name="beat_max_loop_interval",
        type=Seconds,
        default=0.0,
        unit="seconds",
        doc="Longest time until beat sees a change of its entries; 0: 1 s. Never more than a third of "
        "`beat_lease`.",
        group=GROUP,
    ),
)
