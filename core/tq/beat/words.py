"""Schedules in words, for people."""

from __future__ import annotations

from tq.beat.cronfield import BOUNDS, DAYS, MONTHS
from tq.beat.crontab import crontab
from tq.beat.schedule import BaseSchedule, schedule
from tq.beat.solar import solar

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_FEW = 4
"""So many times of the day are written out one by one."""


def in_words(when: BaseSchedule) -> str:
    """`every 30 seconds`, `at 07:30, Monday to Friday`, `sunset at 52.5° N, 13.4° E`."""
    if isinstance(when, schedule):
        return f"every {_interval(when.seconds)}" + (", at full ones" if when.relative else "")
    if isinstance(when, crontab):
        zone = when.zone_name
        return ", ".join(part for part in (_times(when), _days(when), zone or "") if part)
    if isinstance(when, solar):
        latitude = f"{abs(when.lat):g}° {'N' if when.lat >= 0 else 'S'}"
        longitude = f"{abs(when.lon):g}° {'E' if when.lon >= 0 else 'W'}"
        return f"{when.event.replace('_', ' ')} at {latitude}, {longitude}"
    return repr(when)


def _interval(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds % size == 0:
            count = int(seconds // size)
            return unit if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"


def _times(when: crontab) -> str:
    minutes, hours = sorted(when.minute), sorted(when.hour)
    if len(hours) == 24:
        return _minutes(minutes)
    if len(minutes) * len(hours) <= _FEW:
        return "at " + _and([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])
    return f"{_minutes(minutes)} from hour {_ranges(hours, [f'{h:02}' for h in range(24)], 0)}"


def _minutes(minutes: list[int]) -> str:
    step = _step(minutes, 60)
    if step:
        return "every minute" if step == 1 else f"every {step} minutes"
    if len(minutes) == 1:
        return "every hour" if minutes == [0] else f"every hour at :{minutes[0]:02}"
    return "every hour at " + _and([f":{minute:02}" for minute in minutes])


def _step(numbers: list[int], size: int) -> int:
    """The step of numbers that divide `size` evenly from 0 on, else 0."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else size
    return step if len(numbers) > 1 and numbers == list(range(0, size, step)) and size % step == 0 else 0


def _days(when: crontab) -> str:
    parts = []
    if len(when.day_of_week) < 7:
        # People begin the week on Monday.
        names = [day.capitalize() for day in (*DAYS[1:], DAYS[0])]
        parts.append(_ranges(sorted((day - 1) % 7 for day in when.day_of_week), names, 0))
    if len(when.day_of_month) < 31:
        low, high = BOUNDS["day_of_month"]
        parts.append("day " + _ranges(sorted(when.day_of_month), [str(n) for n in range(low, high + 1)], low))
    if len(when.month_of_year) < 12:
        parts.append("in " + _ranges(sorted(when.month_of_year), [m.capitalize() for m in MONTHS], 1))
    return ", ".join(parts)


def _ranges(numbers: list[int], names: list[str], low: int) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = []
    for run in runs:
        texts = [names[number - low] for number in run]
        words += [f"{texts[0]} to {texts[-1]}"] if len(run) > 2 else texts
    return _and(words)


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
