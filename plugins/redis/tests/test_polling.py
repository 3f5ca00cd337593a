"""Waiting for descriptors, with and without `select.poll`."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from tq_redis.polling import Poller


@pytest.fixture(params=["poll", "select"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    if request.param == "select":
        monkeypatch.delattr(select, "poll", raising=False)
    elif not hasattr(select, "poll"):
        pytest.skip("this system has no select.poll")
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_can_be_read_ends_the_wait(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b".")
    assert Poller((reader,)).readable(30.0) == [reader]


def test_nothing_is_readable_when_the_time_is_over(pipe: tuple[int, int]) -> None:
    began = time.monotonic()
    assert Poller((pipe[0],)).readable(0.05) == []
    assert time.monotonic() - began >= 0.05
