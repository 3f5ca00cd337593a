"""One field of a crontab: from Celery's grammar to the numbers that it means.

    groups := expr ("," expr)*      expr := ("*" | range) ("/" steps)?      range := number ("-" number)?

Names of months and days, or three letters of them, stand for numbers (`sunday`, `sun`, `jan`); a range that ends before it begins
goes around (`fri-mon`). Source: the documentation of `celery.schedules.crontab`, Celery 5.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from tq.errors import ImproperlyConfigured

Spec: TypeAlias = "int | str | Iterable[int] | None"

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
BOUNDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
}
_NAMED = {"day_of_week": DAYS, "month_of_year": MONTHS}


def expand(field: str, spec: Spec) -> frozenset[int]:
    """The numbers of a field. Raises `ImproperlyConfigured` that names the field and what is wrong."""
    if isinstance(spec, bool) or not (spec is None or isinstance(spec, int | str | Iterable)):
        raise _wrong(field, spec, "a number, text or a list of numbers is expected")
    if spec is None:
        spec = "*"
    if isinstance(spec, str):
        numbers = {n for part in spec.split(",") for n in _part(field, part.strip(), spec)}
    else:
        numbers = set([spec] if isinstance(spec, int) else spec)
    for number in numbers:
        _check(field, number, spec)
    if not numbers:
        raise _wrong(field, spec, "it names no number")
    return frozenset(numbers)


def normal(spec: Spec) -> str:
    """The field as text that means the same."""
    if spec is None:
        return "*"
    if isinstance(spec, str):
        return spec
    return str(spec) if isinstance(spec, int) else ",".join(str(number) for number in sorted(spec))


def _part(field: str, part: str, spec: str) -> list[int]:
    base, slash, steps = part.partition("/")
    if slash and not (steps.isdecimal() and int(steps) > 0):
        raise _wrong(field, spec, f"{part!r} needs a number from 1 up behind the /")
    low, high = BOUNDS[field]
    numbers = list(range(low, high + 1)) if base == "*" else _range(field, base, spec)
    if slash and len(numbers) == 1:
        raise _wrong(field, spec, f"steps are taken through * or a range, as in {base}-{high}/{steps}")
    return numbers[:: int(steps)] if slash else numbers


def _range(field: str, text: str, spec: str) -> list[int]:
    begin, dash, end = text.partition("-")
    start = _number(field, begin, spec)
    if not dash:
        return [start]
    stop = _number(field, end, spec)
    if start <= stop:
        return list(range(start, stop + 1))
    low, high = BOUNDS[field]
    return [*range(start, high + 1), *range(low, stop + 1)]


def _number(field: str, text: str, spec: str) -> int:
    text = text.strip().lower()
    for at, name in enumerate(_NAMED.get(field, ())):
        if len(text) >= 3 and name.startswith(text):
            return at + BOUNDS[field][0]
    if not text.isdecimal():
        raise _wrong(field, spec, f"{text!r} is no number" if text else "a part of it is empty")
    number = int(text)
    _check(field, number, spec)
    return number


def _check(field: str, number: object, spec: Spec) -> None:
    low, high = BOUNDS[field]
    if type(number) is not int or not low <= number <= high:
        raise _wrong(field, spec, f"{number!r} is not a number from {low} to {high}")


def _wrong(field: str, spec: object, why: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"crontab({field}={spec!r}): {why}")
