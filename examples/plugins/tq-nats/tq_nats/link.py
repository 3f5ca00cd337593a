"""The connection. nats-py lives on an event loop in a thread of its own; the rest of the plugin calls it from outside."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import nats
from nats.aio.client import Client
from tq.options import mask_url

from tq_nats.faults import EXPECTED, explain
from tq_nats.options import Options
from tq_nats.stream import prepare

logger = logging.getLogger("tq.nats")
T = TypeVar("T")
Job = Callable[[Client], Awaitable[T]]
_LONGEST_GOODBYE = 2.0


class Link:
    """One connection for all threads of a process; it is made when it is first used, and again when it broke."""

    def __init__(self, url: str, options: Options) -> None:
        self.shown = mask_url(url)
        self.ahead = 0.0
        """Seconds by which the server's clock is ahead of ours."""
        self._url = url
        self._options = options
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._complaint: Exception | None = None
        self._inherited: list[object] = []

    def run(self, what: str, job: Job[T], seconds: float | None = None) -> T:
        """Run `job` with the connection. Raises `BrokerError` that says what failed, `BrokerUnavailable` where
        the server is not there or does not answer."""
        seconds = self._options.timeout if seconds is None else seconds
        self._complaint = None
        future = asyncio.run_coroutine_threadsafe(self._within(job, seconds), self._running())
        try:
            return future.result()
        except EXPECTED as exc:
            raise explain(what, self._complaint or exc, self.shown) from exc
        finally:
            future.cancel()  # of no effect but where an exception from elsewhere ended the wait

    def soon(self, job: Job[None]) -> None:
        """Run `job` without waiting for it, from a callback of the connection."""
        if self._client is not None and self._client.is_connected:
            asyncio.ensure_future(job(self._client))

    def close(self) -> None:
        """Close the connection and end the thread; a later call begins anew."""
        with self._lock:
            loop, thread, client = self._loop, self._thread, self._client
            self._loop = self._thread = self._client = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_goodbye(client), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def after_fork(self) -> None:
        """Leave the parent's loop and sockets alone: they are kept, so that nothing ever closes them here."""
        self._inherited.append((self._loop, self._thread, self._client, self._connecting))
        self._lock = threading.Lock()
        self._loop = self._thread = self._client = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._connecting = asyncio.Lock()
                self._thread = threading.Thread(target=self._loop.run_forever, name="tq-nats", daemon=True)
                self._thread.start()
            return self._loop

    async def _within(self, job: Job[T], seconds: float) -> T:
        async with asyncio.timeout(seconds):
            return await job(await self._connected())

    async def _connected(self) -> Client:
        async with self._connecting:
            client = self._client
            if client is None or not client.is_connected:
                client = await self._connect()
                self.ahead = await prepare(client, self._options, self.shown)
                self._client = client
            return client

    async def _connect(self) -> Client:
        parts = urlsplit(self._url)
        hosts = parts.netloc.rpartition("@")[2] or "localhost"
        return await nats.connect(
            [f"{parts.scheme}://{host}" for host in hosts.split(",")],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            token=self._options.token,
            user_credentials=self._options.credentials,
            connect_timeout=self._options.connect_timeout,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            error_cb=self._complains,
        )

    async def _complains(self, error: Exception) -> None:
        """What the server says about something that was sent before, such as a missing permission."""
        self._complaint = error


async def _goodbye(client: Client | None) -> None:
    try:
        async with asyncio.timeout(_LONGEST_GOODBYE):
            if client is not None:
                await client.close()
    except EXPECTED:
        logger.debug("NATS was gone before it was told goodbye", exc_info=True)
    # A client that lost its server leaves tasks behind.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
