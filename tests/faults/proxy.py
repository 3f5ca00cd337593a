"""A TCP proxy that does to connections what networks do: delay, refuse, cut, hang, forget."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)


class _Connection:
    """Two pumps between a client and the server."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._answered = True
        self.stranded = False

    async def live(self) -> None:
        with contextlib.suppress(OSError):
            await self._proxy.open.wait()
            reader, writer = await asyncio.open_connection("127.0.0.1", self._proxy.target)
            self._writers.append(writer)
            self._proxy.round_trips += 1
            both = (self._pump(self._client[0], writer, asks=True), self._pump(reader, self._client[1]))
            await asyncio.gather(*both)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asks: bool = False
    ) -> None:
        try:
            while data := await source.read(_CHUNK):
                self._proxy.round_trips += asks and self._answered
                self._answered = not asks
                self._proxy.passed[not asks] += len(data)
                if not asks and self._proxy.loses():
                    self.reset()
                    return
                if asks and self._proxy.said is not None:
                    self._proxy.said += data
                if self._proxy.latency:
                    await asyncio.sleep(self._proxy.latency)
                await self._proxy.open.wait()
                if self.stranded:
                    await asyncio.Event().wait()
                sink.write(self._proxy.allowed(data))
                await sink.drain()
                if self._proxy.allowance == 0:
                    self.reset()
                    return
        finally:
            if not self.stranded:
                sink.close()

    def reset(self) -> None:
        """End both sides with RST."""
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Forwards a port of its own to `target`, both on 127.0.0.1, from a thread of its own.

    `latency`: seconds that each chunk waits, in each direction. `round_trips` counts how often a client connected,
    or spoke after it was answered: what latency costs, on any machine. `passed`: bytes to the server and back.
    Set `said` to collect what clients say. Set `losing` to lose one answer, after so many that pass: the server has
    done what it was asked, and its client gets RST; then it is None again.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.latency = 0.0
        self.round_trips = 0
        self.passed = [0, 0]
        self.said: bytearray | None = None
        self.allowance: int | None = None
        self.losing: int | None = None
        self.port = 0
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self.open = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._do(self.open.set)
        self.accept()

    # -- from the test -------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Listen (again)."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def refuse(self) -> None:
        """Cut all connections, and refuse new ones until `accept`."""
        self._do(self._close_server)
        self.cut()

    def cut(self) -> None:
        """End all connections with RST; new ones are welcome."""
        self._do(self._reset_all)

    def cut_after(self, size: int | None) -> None:
        """End connections with RST after so many bytes of all of them, in the middle of a message; None: never."""
        self.allowance = size

    def hang(self) -> None:
        """Keep all connections, and new ones, waiting; what is on its way is delivered at `heal`."""
        self._do(self.open.clear)

    def heal(self) -> None:
        """Forward again."""
        self._do(self.open.set)

    def strand(self) -> None:
        """Make all connections half-open for ever: nothing arrives and nobody says so. New ones work."""
        self._do(self._strand_all)

    def close(self) -> None:
        """End everything."""
        self.refuse()
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # -- on the loop ---------------------------------------------------------------------------------------

    def allowed(self, data: bytes) -> bytes:
        """The part of `data` that may still pass."""
        if self.allowance is None:
            return data
        part = data[: self.allowance]
        self.allowance -= len(part)
        return part

    def loses(self) -> bool:
        """Whether this answer is the one to lose."""
        if self.losing is None:
            return False
        self.losing = self.losing - 1 if self.losing else None
        return self.losing is None

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # by `close`
                await connection.live()
        finally:
            self._connections.discard(connection)

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _reset_all(self) -> None:
        for connection in self._connections:
            connection.reset()

    def _strand_all(self) -> None:
        for connection in self._connections:
            connection.stranded = True

    def _do(self, what: Callable[[], Any]) -> None:
        done = threading.Event()

        def call() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(call)
        if not done.wait(10):
            raise TimeoutError("the proxy's thread does not answer")
