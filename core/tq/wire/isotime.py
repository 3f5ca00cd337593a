"""Moments as messages spell them."""

from __future__ import annotations

import datetime as dt

from tq.errors import InvalidTask


def parse_iso(text: str) -> float:
    """Unix seconds of an ISO 8601 moment; one without an offset is UTC. Raises `InvalidTask`."""
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return moment.timestamp()
    except (ValueError, OverflowError) as exc:
        raise InvalidTask(f"{text[:64]!r} is not an ISO 8601 time") from exc
