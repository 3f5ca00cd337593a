"""The servers, and which of them holds a key: the same one that pymemcache's hash client, and so Celery, chooses.

A server that is gone is not passed over: its keys are unavailable until it is back. Elsewhere they would be found by
nobody who still reaches it, and a group would be counted twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from pymemcache.client.rendezvous import RendezvousHash

from tq.options import mask_url
from tq_memcache.address import Address, Place, read_address
from tq_memcache.client import Connection
from tq_memcache.faults import FAULTS, explain, gone
from tq_memcache.options import Options


class Server:
    """One server and its idle connections; any number of threads may use it."""

    def __init__(self, place: Place, address: Address, options: Options, url: str) -> None:
        self.name = place if isinstance(place, str) else "{}:{}".format(*place)
        self._address = address
        self._options = options
        self._place = place
        self._idle: deque[Connection] = deque()
        self._url = url

    def run(self, doing: str, method: str, *args: Any) -> Any:
        """Call a method of pymemcache's client, again on a new connection where an idle one turns out to be gone: so
        it must be harmless to do it twice. `doing` completes "cannot ...". Raises `BackendError`."""
        idle = self._take()
        try:
            try:
                return self._once(idle or self._new(), method, args)
            except FAULTS as exc:
                if idle is None or not gone(exc):
                    raise
                self.close()
                return self._once(self._new(), method, args)
        except FAULTS as exc:
            raise explain(exc, self._url, self.name, doing) from exc

    def _new(self) -> Connection:
        return Connection(self._place, self._address, self._options)

    def _take(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _once(self, connection: Connection, method: str, args: tuple[Any, ...]) -> Any:
        try:
            answer = getattr(connection, method)(*args)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close what is idle."""
        while connection := self._take():
            connection.close()

    def forget(self) -> None:
        """Leave inherited connections to the parent process."""
        self._idle = deque()


class Ring:
    """The servers that a URL names. Raises `ImproperlyConfigured`."""

    def __init__(self, url: str, options: Options) -> None:
        address = read_address(url)
        self.shown = mask_url(url)
        made = [Server(place, address, options, self.shown) for place in address.places]
        self._servers = {server.name: server for server in made}
        self._hash = RendezvousHash(list(self._servers))
        self._only = made[0] if len(made) == 1 else None

    def at(self, key: str) -> Server:
        """The server that holds a key."""
        return self._only or self._servers[self._hash.get_node(key)]

    def split(self, keys: Iterable[str], most: int) -> list[tuple[Server, Sequence[str]]]:
        """The keys by server, at most so many together."""
        places: dict[str, list[str]] = {}
        for key in keys:
            places.setdefault(self.at(key).name, []).append(key)
        return [
            (self._servers[name], found[at : at + most])
            for name, found in places.items()
            for at in range(0, len(found), most)
        ]

    def servers(self) -> Sequence[Server]:
        """All of them."""
        return list(self._servers.values())

    def close(self) -> None:
        """Close what is idle."""
        for server in self._servers.values():
            server.close()

    def after_fork(self) -> None:
        """Leave inherited connections to the parent process."""
        for server in self._servers.values():
            server.forget()
