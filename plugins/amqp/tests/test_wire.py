"""Deliveries are read the same however they are cut and mixed, and whatever was read before them."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.wire import Wire

short = st.sampled_from(["", "0.1", "0.2", "celery", "größe"])
# From one byte on, frames carry them in several pieces; `PIECE` is what the server was allowed.
PIECE = 40
deliveries = st.builds(
    Incoming,
    consumer=short,
    tag=st.integers(0, 2**63),
    again=st.booleans(),
    exchange=short,
    key=short,
    properties=st.binary(min_size=2, max_size=60) | st.just(b"\x10\x00\x02"),
    body=st.binary(max_size=3 * PIECE),
)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def packed(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def written(each: Incoming, channel: int = 1) -> bytes:
    method = struct.pack(">HH", *m.BASIC_DELIVER) + packed(each.consumer)
    method += struct.pack(">QB", each.tag, each.again) + packed(each.exchange) + packed(each.key)
    header = struct.pack(">HHQ", 60, 0, len(each.body)) + each.properties
    pieces = [each.body[at : at + PIECE] for at in range(0, len(each.body), PIECE)]
    return b"".join(
        frame(kind, channel, payload)
        for kind, payload in [(1, method), (2, header), *((3, piece) for piece in pieces)]
    )


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    yield here, there
    here.close()
    there.close()


def opened(here: socket.socket) -> tuple[Wire, Channel, Channel]:
    wire = Wire(here)
    found = Channel(wire, 1), Channel(wire, 2)
    wire.channels = {channel.number: channel for channel in found}
    return wire, *found


@given(
    sent=st.lists(st.tuples(deliveries, st.integers(1, 2)), max_size=12),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_sent_is_what_comes(
    ends: tuple[socket.socket, socket.socket], sent: list[tuple[Incoming, int]], cuts: list[int]
) -> None:
    here, there = ends
    wire, one, two = opened(here)
    data = b"".join(written(each, channel) for each, channel in sent)
    sizes = itertools.cycle(cuts)
    while data:
        size = next(sizes)
        there.sendall(data[:size])
        data = data[size:]
        wire.peek()
    assert list(one.deliveries) == [each for each, channel in sent if channel == 1]
    assert list(two.deliveries) == [each for each, channel in sent if channel == 2]


FIRST = Incoming("0.1", 1, False, "", "celery", b"\x10\x00\x02", b"[]")
SECOND = written(Incoming("0.1", 2, True, "", "celery", b"\x10\x00\x01", b"{}"))


@given(at=st.integers(0, len(SECOND) - 1), byte=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_that_differs_in_a_byte_is_read_as_if_it_were_the_first(
    ends: tuple[socket.socket, socket.socket], at: int, byte: int
) -> None:
    here, there = ends
    changed = SECOND[:at] + bytes([byte]) + SECOND[at + 1 :]
    seen = []
    for before in (b"", written(FIRST)):
        wire, one, two = opened(here)
        there.sendall(before + changed)
        try:
            wire.peek()
            down = False
        except Down:
            down = True
        came = [each for each in [*one.deliveries, *two.deliveries] if each != FIRST]
        seen.append((down, came))
    assert seen[0] == seen[1]


def test_numbers_of_channels_begin_anew_behind_the_last_that_the_server_allows(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    here, there = ends
    wire = Wire(here)
    wire.tuned(0.0, 0, 3)

    def opened(number: int) -> Channel:
        there.sendall(frame(1, number, m.method((20, 11), b"\0" * 4)))
        return wire.channel(time.monotonic() + 30.0)

    def close(channel: Channel) -> None:
        there.sendall(frame(1, channel.number, m.method((20, 41))))
        channel.close(time.monotonic() + 30.0)

    first, stays = opened(1), opened(2)
    close(first)
    for number in (3, 1, 3, 1):
        channel = opened(number)
        assert channel.number == number
        close(channel)
    assert list(wire.channels) == [stays.number]
    opened(3), opened(1)
    with pytest.raises(Refused, match="all 3 channels"):
        wire.channel(time.monotonic() + 30.0)
