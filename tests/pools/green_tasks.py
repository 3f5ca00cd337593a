"""Tasks for workers with greenlets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

from tests import ledger
from tq import TQ
from tq.errors import SoftTimeLimitExceeded

app = TQ("green", set_as_current=False)
at_once: list[int] = [0, 0]
"""How many run now, and the most that ever did."""


@app.task
def sleep_until_so_many(number: int) -> int:
    """Ends when that many have been here at once, which they can only if each `time.sleep` lets others run."""
    at_once[0] += 1
    at_once[1] = max(at_once)
    while at_once[1] < number:
        time.sleep(0.01)
    at_once[0] -= 1
    return at_once[1]


@app.task
def ask(port: int) -> str:
    """What a server says, which may take its time."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        return connection.recv(100).decode()


@app.task
async def nap() -> str:
    await asyncio.sleep(0.01)
    return "rested"


@app.task
def patched() -> list[str]:
    """Where the primitives come from that this module imported."""
    return [time.sleep.__module__, socket.socket.__module__, type(threading.Lock()).__module__]


@app.task
def endless() -> None:
    ledger.write("began")
    try:
        time.sleep(600)
    finally:
        ledger.write("ended")


@app.task(soft_time_limit=0.2)
def limited() -> str:
    try:
        time.sleep(600)
    except SoftTimeLimitExceeded:
        return "in time"
    return "too late"
