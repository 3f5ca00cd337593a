"""JetStream's API as far as it is needed: requests in JSON, and the one stream.

Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.client import Client
from tq.errors import BrokerError

from tq_nats.faults import Refusal
from tq_nats.options import Options

NANO = 1_000_000_000
_OLDEST = (2, 12)
"""The first NATS that keeps delayed messages."""
_MISSING = 404
_PATIENCE = 60.0
"""Longer than any caller waits, who has a deadline of its own."""


async def ask(
    client: Client, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """One request. Raises `Refusal`."""
    answer = await client.request(subject, payload, timeout=_PATIENCE, headers=headers)
    said: dict[str, Any] = msgspec.json.decode(answer.data)
    if error := said.get("error"):
        raise Refusal(int(error.get("code", 0)), str(error.get("description", "no reason given")))
    return said


async def api(client: Client, call: str, **given: Any) -> dict[str, Any]:
    """One request to JetStream's own API. Raises `Refusal`."""
    return await ask(client, f"$JS.API.{call}", msgspec.json.encode(given))


async def find(client: Client, call: str, **given: Any) -> dict[str, Any] | None:
    """The same, None for what is not there."""
    try:
        return await api(client, call, **given)
    except Refusal as exc:
        if exc.code != _MISSING:
            raise
        return None


async def prepare(client: Client, options: Options, shown: str) -> float:
    """See that the stream is there and as it has to be; returns by how much the server's clock is ahead.

    Raises `BrokerError`.
    """
    version = client.connected_server_version
    if (version.major, version.minor) < _OLDEST:
        raise BrokerError(
            f"{shown} is NATS {version.major}.{version.minor}.{version.patch}, and tq-nats needs "
            f"{_OLDEST[0]}.{_OLDEST[1]} or newer, which keeps delayed messages",
            url=shown,
        )
    name = options.stream
    found = await find(client, f"STREAM.INFO.{name}") or await api(
        client,
        f"STREAM.CREATE.{name}",
        name=name,
        subjects=[f"{name}.>"],
        retention="workqueue",
        storage="file",
        num_replicas=options.replicas,
        allow_msg_schedules=True,
    )
    config = found["config"]
    if config["retention"] != "workqueue" or not config.get("allow_msg_schedules"):
        raise BrokerError(
            f"the stream {name!r} at {shown} is not tq's: it has to be a work queue that allows message "
            "schedules. Name another one with the option `stream`",
            url=shown,
        )
    return moment(found["ts"]) - time.time()


async def consumer_of(client: Client, stream: str, durable: str, subject: str, lease: float) -> None:
    """See that the queue has its consumer, which all workers share. The longest lease counts for all of them."""
    found = await find(client, f"CONSUMER.INFO.{stream}.{durable}")
    wait = round(lease * NANO)
    if found and found["config"]["ack_wait"] >= wait:
        return
    config = {
        "durable_name": durable,
        "filter_subject": subject,
        "ack_policy": "explicit",
        "ack_wait": wait,
        "max_deliver": -1,  # a limit would leave messages lying for ever that nobody ever gets
        "max_ack_pending": -1,
        "max_waiting": 8192,
    }
    await api(client, f"CONSUMER.DURABLE.CREATE.{stream}.{durable}", stream_name=stream, config=config)


def moment(text: str) -> float:
    """A time of JetStream's, which has nanoseconds, as unix seconds."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
