"""A worker's answers to probes, over HTTP: `/livez`, `/readyz`, and the pages that plugins add."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, NamedTuple

import msgspec

from tq.contracts.hooks import Page
from tq.errors import ImproperlyConfigured

logger = logging.getLogger("tq.health")

LOOPBACK: Final = "127.0.0.1"
PATIENCE: Final = 5.0
"""Seconds that a client may take for its question, and for taking the answer."""

Probe = Callable[[], str | None]
"""What is wrong; None: nothing."""


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """A port of the loopback (`8080`), or `host:port`. Raises `ImproperlyConfigured` for anything else."""
    host, separator, port = str(text).strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdigit() or int(port) > 65535 or (separator and not host):
        raise ImproperlyConfigured(
            f"worker_health_address is a port (8080) or host:port (0.0.0.0:8080), not {text!r}"
        )
    return Address(host or LOOPBACK, int(port))


class Answer(msgspec.Struct, frozen=True):
    """The body of a probe's answer."""

    status: str
    reason: str | None = None


class HealthServer:
    """Listens from the moment it is made; `start` begins to answer, one question after the other.

    Raises `ImproperlyConfigured` where the address cannot be had.
    """

    def __init__(self, address: Address, probes: Mapping[str, Probe], pages: Sequence[Page] = ()) -> None:
        known = {page.path: page for page in pages}

        class Handler(_Handler):
            def answer(self, path: str) -> tuple[int, str, bytes]:
                if path in probes:
                    return _of_probe(probes[path]())
                page = known.get(path)
                if page is None:
                    return _json(
                        404, Answer("not found", f"there are {', '.join(sorted({*probes, *known}))}")
                    )
                return 200, page.content_type, page.body()

        try:
            self._server = _Server(address, Handler)
        except OSError as exc:
            raise ImproperlyConfigured(
                f"the health endpoint cannot listen at {address.host}:{address.port}: {exc.strerror or exc}; "
                "choose another worker_health_address (--health)"
            ) from exc
        self.address = Address(address.host, self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, name="tq-health", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()
        logger.info("health endpoint at http://%s:%d/readyz", *self.address)

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """In a forked child: the parent alone listens."""
        self._server.socket.close()


class _Server(HTTPServer):
    def __init__(self, address: Address, handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address.host:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without the base's look-up of the host's name, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has hung up, or took too long."""
        logger.debug("a probe from %s was not answered", client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version = "tq"
    sys_version = ""

    def answer(self, path: str) -> tuple[int, str, bytes]:
        raise NotImplementedError

    def do_GET(self) -> None:
        status, content_type, body = self._answered()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def _answered(self) -> tuple[int, str, bytes]:
        path = self.path.partition("?")[0].rstrip("/") or "/"
        try:
            return self.answer(path)
        except Exception as exc:
            logger.exception("the page %s cannot be shown", path)
            return _json(500, Answer("error", type(exc).__name__))

    def log_message(self, format: str, *arguments: object) -> None:
        logger.debug(format, *arguments)


def _of_probe(trouble: str | None) -> tuple[int, str, bytes]:
    return _json(200, Answer("ok")) if trouble is None else _json(503, Answer("unavailable", trouble))


def _json(status: int, answer: Answer) -> tuple[int, str, bytes]:
    return status, "application/json", msgspec.json.encode(answer) + b"\n"
