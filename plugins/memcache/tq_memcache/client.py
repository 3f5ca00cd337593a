"""One connection: pymemcache's client, with memcached's login, and any address of a host."""

from __future__ import annotations

import socket

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheClientError, MemcacheUnexpectedCloseError

from tq_memcache.address import Address, Place
from tq_memcache.options import Options


class Connection(Client):  # type: ignore[misc]
    """Connects on first use, and logs in where the URL names a user."""

    def __init__(self, place: Place, address: Address, options: Options) -> None:
        super().__init__(
            place,
            connect_timeout=options.connect_timeout,
            timeout=options.timeout,
            no_delay=options.no_delay,
            key_prefix=options.key_prefix.encode(),
            default_noreply=False,
        )
        self._address = address

    def _connect(self) -> None:
        # pymemcache's own takes the first address of a name only: "localhost" may be an IPv6 one alone.
        self.close()
        self.sock = self._open()
        self.sock.settimeout(self.timeout)
        if self._address.user is not None:
            try:
                self._login()
            except BaseException:
                self.close()
                raise

    def _open(self) -> socket.socket:
        if isinstance(self.server, tuple):
            found = socket.create_connection(self.server, self.connect_timeout)
            if self.no_delay:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return found
        found = socket.socket(socket.AF_UNIX)
        try:
            found.settimeout(self.connect_timeout)
            found.connect(self.server)
        except BaseException:
            found.close()
            raise
        return found

    def _login(self) -> None:
        # Source: memcached, `protocol.txt`, "Authentication": the first command is a set of any key.
        secret = f"{self._address.user} {self._address.password or ''}".encode()
        self.sock.sendall(b"set auth 0 0 %d\r\n%s\r\n" % (len(secret), secret))
        answer = b""
        while not answer.endswith(b"\r\n"):
            more = self.sock.recv(4096)
            if not more:
                raise MemcacheUnexpectedCloseError()
            answer += more
        if answer != b"STORED\r\n":
            raise MemcacheClientError(answer.strip())
