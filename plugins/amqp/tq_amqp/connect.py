"""Open connections: socket, TLS, the handshake of AMQP; the next server where one does not answer."""

from __future__ import annotations

import os
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Sequence

from tq.errors import ImproperlyConfigured
from tq_amqp.address import Address
from tq_amqp.options import Options
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.table import pack_table, read_table, short
from tq_amqp.protocol.wire import Wire

_VERIFY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
_TUNE = struct.Struct(">HIH")
_CAPABILITIES = {
    "publisher_confirms": True,
    "consumer_cancel_notify": True,
    "basic.nack": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
    "exchange_exchange_bindings": True,
}


class Connector:
    """Makes connections to whichever of the addresses answers."""

    def __init__(self, addresses: Sequence[Address], options: Options) -> None:
        self._addresses = list(addresses)
        if options.failover_strategy == "shuffle":
            random.SystemRandom().shuffle(self._addresses)
        self._options = options
        self._turn = 0

    def open(self, until: float, *, heartbeat: float = 0.0) -> Wire:
        """Connect and log in until that moment. Raises `Down`, or `Refused` where a server says no."""
        failures: list[str] = []
        for left in range(len(self._addresses), 0, -1):
            address = self._addresses[self._turn % len(self._addresses)]
            now = time.monotonic()
            share = min((until - now) / left, self._options.connect_timeout)
            try:
                return self._open(address, now + max(share, 0.01), heartbeat)
            except Down as exc:
                failures.append(f"{address.host}:{address.port}: {exc}")
                self._turn += 1
        raise Down("; ".join(failures), sent=False)

    def _open(self, address: Address, until: float, heartbeat: float) -> Wire:
        try:
            sock = self._socket(address, max(0.01, until - time.monotonic()))
        except OSError as exc:
            raise Down(_words(exc), sent=False) from exc
        wire = Wire(sock)
        try:
            self._shake_hands(wire, address, until, heartbeat)
        except Down as exc:
            wire.drop()
            raise Down(str(exc), sent=False) from exc
        except BaseException:
            wire.drop()
            raise
        return wire

    def _socket(self, address: Address, timeout: float) -> socket.socket:
        sock = socket.create_connection((address.host, address.port), timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return self._tls(sock, address) if address.tls else sock
        except BaseException:
            sock.close()
            raise

    def _tls(self, sock: socket.socket, address: Address) -> ssl.SSLSocket:
        context = _context(self._options)
        return context.wrap_socket(sock, server_hostname=address.host)

    def _shake_hands(self, wire: Wire, address: Address, until: float, heartbeat: float) -> None:
        wire.raw(b"AMQP\x00\x00\x09\x01")
        # Behind the two numbers of the protocol's version.
        wire.properties, _ = read_table(wire.control.expect(until), 2)
        method = self._options.login_method
        secret = f"\0{address.user}\0{address.password}".encode() if method == "PLAIN" else b""
        answer = m.method(
            m.CONNECTION_START_OK,
            pack_table(self._introduction()),
            short(method),
            struct.pack(">I", len(secret)),
            secret,
            short("en_US"),
        )
        try:
            tune = wire.control.call(answer, until)
        except Down as exc:
            # Servers that do not know how to refuse a login close the connection after a pause.
            raise exc if "closed" not in str(exc) else Refused(403, "login was refused") from exc
        channels, frame_max, _ = _TUNE.unpack_from(tune)
        # The server takes what the client says; its own number, less than a long lease's, nobody here would keep.
        beat = round(heartbeat)
        frame_max = min(frame_max or 2**17, 2**17)
        wire.control.send(m.method(m.CONNECTION_TUNE_OK, _TUNE.pack(channels, frame_max, beat)))
        wire.tuned(beat, frame_max, channels)
        wire.control.call(m.method(m.CONNECTION_OPEN, short(address.vhost), b"\0\0"), until)

    def _introduction(self) -> dict[str, object]:
        name = self._options.client_name or f"tq {os.path.basename(sys.argv[0])}:{os.getpid()}"
        return {"product": "tq", "connection_name": name, "capabilities": _CAPABILITIES}


def _context(options: Options) -> ssl.SSLContext:
    """Raises `ImproperlyConfigured` for a file that is none, and an unknown `ssl_cert_reqs`."""
    needs = options.ssl_cert_reqs.lower().removeprefix("cert_")
    if needs not in _VERIFY:
        raise ImproperlyConfigured(
            f"ssl_cert_reqs is {', '.join(_VERIFY)}, not {options.ssl_cert_reqs!r}, for RabbitMQ"
        )
    try:
        context = ssl.create_default_context(cafile=options.ssl_ca_certs)
        context.check_hostname = options.ssl_check_hostname and needs == "required"
        context.verify_mode = _VERIFY[needs]
        if options.ssl_certfile:
            context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile)
    except OSError as exc:
        raise ImproperlyConfigured(
            f"TLS to RabbitMQ: cannot read ssl_ca_certs={options.ssl_ca_certs!r}, ssl_certfile={options.ssl_certfile!r} or "
            f"ssl_keyfile={options.ssl_keyfile!r}: {_words(exc)}; they name files in PEM"
        ) from exc
    return context


def _words(exc: OSError) -> str:
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return exc.strerror or str(exc) or type(exc).__name__
