"""The clock as text."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from tq.wire.isotime import parse_iso, utc_now


@pytest.mark.parametrize("nanoseconds", [0, 1_800_000_000_000_000_999, 1_800_000_000_999_999_999])
def test_now_is_spelled_as_a_datetime_spells_it(nanoseconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds)
    moment = dt.datetime.fromtimestamp(nanoseconds // 10**9, dt.UTC)
    moment = moment.replace(microsecond=nanoseconds // 1000 % 10**6)
    assert utc_now() == moment.isoformat(timespec="microseconds")


def test_now_is_now() -> None:
    before = time.time()
    assert before - 0.001 <= parse_iso(utc_now()) <= time.time() + 0.001
