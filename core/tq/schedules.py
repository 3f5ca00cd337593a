"""Schedules of periodic tasks, by Celery's names: `from tq.schedules import crontab, schedule, solar`."""

from __future__ import annotations

from tq.beat.crontab import crontab
from tq.beat.schedule import BaseSchedule, schedule
from tq.beat.solar import solar

__all__ = ["BaseSchedule", "crontab", "schedule", "solar"]
