"""Decisions as pure functions of plain data: no I/O, no settings, no clock that cannot be passed in."""
