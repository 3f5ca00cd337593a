"""Scenarios in their short form: part 9 of `tests.faults.short`."""

from __future__ import annotations

from tests.faults.short import part

test_nothing_is_lost_or_doubled = part(9)
