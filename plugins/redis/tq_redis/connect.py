"""Open connections: redis-py does the handshake, the deadline is ours."""

from __future__ import annotations

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from tq_redis.address import Address
from tq_redis.link import Down, Link, Refused
from tq_redis.options import Options

try:
    from redis.driver_info import DriverInfo
except ImportError:
    _ABOUT_ITSELF: dict[str, Any] = {}
else:
    # What it tells the server anyway; but it would look its own version up for each connection, which takes a millisecond
    # and the memory of all that reads metadata, in every child.
    _ABOUT_ITSELF = {"driver_info": DriverInfo(lib_version=redis.__version__)}

_SSL = (
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_password",
    "ssl_check_hostname",
)
_KINDS = {"tcp": Connection, "sentinel": Connection, "tls": SSLConnection, "unix": UnixDomainSocketConnection}


_SENTINEL: Any = Sentinel  # redis-py does not type it


class Connector:
    """Makes links to one database."""

    def __init__(self, address: Address, options: Options) -> None:
        self._address = address
        self._options = options

    def open(self, until: float) -> Link:
        """Connect and log in until that moment. Raises `Down`, or `Refused` where the server says no."""
        timeout = min(max(until - time.monotonic(), 0.001), self._options.socket_connect_timeout)
        try:
            connection = _KINDS[self._address.kind](**self._arguments(timeout))
            connection.connect()
        except BusyLoadingError as exc:
            raise Refused(f"LOADING {exc}") from exc
        except AuthenticationError as exc:
            raise Refused(_as_reply(exc, "WRONGPASS")) from exc
        except ResponseError as exc:
            raise Refused(_as_reply(exc, "ERR")) from exc
        except (RedisError, OSError) as exc:
            raise Down(str(exc) or type(exc).__name__, sent=False) from exc
        return Link(connection)

    def _arguments(self, timeout: float) -> dict[str, Any]:
        address, options = self._address, self._options
        found: dict[str, Any] = {
            "db": address.db,
            "username": address.username,
            "password": address.password,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "client_name": options.client_name,
            "protocol": 2,
            **_ABOUT_ITSELF,
        }
        if address.kind == "unix":
            return {**found, "path": address.path}
        host, port = self._master(timeout) if address.kind == "sentinel" else address.hosts[0]
        found |= {"host": host, "port": port, "socket_keepalive": options.socket_keepalive}
        if address.kind == "tls":
            found |= {name: getattr(options, name) for name in _SSL}
            found["ssl_cert_reqs"] = options.ssl_cert_reqs.lower().removeprefix("cert_")
        return found

    def _master(self, timeout: float) -> tuple[str, int]:
        # Asked for each connection: after a failover the next one goes to the new master.
        # redis-py would try a sentinel that is down again and again, for seconds, before the next one.
        times = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": Retry(NoBackoff(), 0)}
        sentinel: Any = _SENTINEL(
            self._address.hosts, sentinel_kwargs={**times, **self._options.sentinel_kwargs}, **times
        )
        try:
            host, port = sentinel.discover_master(self._address.master_name)
        except MasterNotFoundError as exc:
            raise Down(
                f"no sentinel knows a master named {self._address.master_name!r}: {exc}",
                sent=False,
                advice="check the option 'master_name' and that the sentinels run",
            ) from exc
        finally:
            for each in sentinel.sentinels:
                each.close()
        return host, port


def _as_reply(exc: RedisError, code: str) -> str:
    text = str(exc)
    return text if text.partition(" ")[0].isupper() else f"{code} {text}"
