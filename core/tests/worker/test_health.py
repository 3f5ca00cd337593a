"""The HTTP endpoint of a worker."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tq.contracts.hooks import Page
from tq.errors import ImproperlyConfigured
from tq.worker.health import Address, HealthServer, parse_address

LIMIT = 30.0


def ask(server: HealthServer, path: str) -> tuple[int, str, bytes]:
    url = f"http://{server.address.host}:{server.address.port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=LIMIT) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.headers["Content-Type"], exc.read()


@pytest.fixture
def serve() -> Iterator[Callable[..., HealthServer]]:
    made: list[HealthServer] = []

    def start(probes: dict[str, Any], pages: tuple[Page, ...] = ()) -> HealthServer:
        server = HealthServer(Address("127.0.0.1", 0), probes, pages)
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("probe.local:0", ("probe.local", 0)),
    ],
)
def test_an_address_is_a_port_of_the_loopback_or_says_where(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "http", ":80", "host:", "1:2:x", "70000", "-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="worker_health_address"):
        parse_address(text)


def test_a_probe_says_what_is_wrong(serve: Callable[..., HealthServer]) -> None:
    trouble: list[str | None] = [None]
    server = serve({"/readyz": lambda: trouble[0]})
    assert ask(server, "/readyz") == (200, "application/json", b'{"status":"ok","reason":null}\n')
    trouble[0] = "the broker is away"
    status, _, body = ask(server, "/readyz/?verbose")
    assert (status, json.loads(body)["reason"]) == (503, "the broker is away")


def test_pages_of_plugins_are_shown_and_what_is_not_there_is_named(
    serve: Callable[..., HealthServer],
) -> None:
    page = Page(path="/metrics", content_type="text/plain", body=lambda: b"up 1\n")
    server = serve({"/livez": lambda: None}, (page,))
    assert ask(server, "/metrics") == (200, "text/plain", b"up 1\n")
    status, _, body = ask(server, "/secrets")
    assert status == 404
    assert b"/livez, /metrics" in body


def test_a_page_that_raises_is_an_error_and_nothing_more(serve: Callable[..., HealthServer]) -> None:
    def broken() -> bytes:
        raise RuntimeError("secret")

    server = serve({"/livez": lambda: None}, (Page(path="/metrics", content_type="text/plain", body=broken),))
    status, _, body = ask(server, "/metrics")
    assert status == 500
    assert b"secret" not in body
    assert ask(server, "/livez")[0] == 200


def test_who_hangs_up_or_talks_nonsense_disturbs_nobody(serve: Callable[..., HealthServer]) -> None:
    server = serve({"/livez": lambda: None})
    for nonsense in (b"", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"POST /livez HTTP/1.1\r\n\r\n"):
        with socket.create_connection(server.address, LIMIT) as stranger:
            stranger.sendall(nonsense)
    assert ask(server, "/livez")[0] == 200


def test_an_address_that_is_taken_is_an_error_with_its_name(serve: Callable[..., HealthServer]) -> None:
    server = serve({})
    with pytest.raises(ImproperlyConfigured, match=f"127.0.0.1:{server.address.port}.*--health"):
        HealthServer(server.address, {})
