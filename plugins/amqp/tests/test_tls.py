"""amqps:// against a server that wants certificates of its clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.amqp.tests.conftest import send
from tests.services.catalog import ServiceMissing
from tests.services.certificates import make_certificates
from tests.services.fixtures import unavailable
from tests.services.ports import free_port
from tests.services.rabbitmq import RabbitmqServer
from tq import TQ
from tq.errors import BrokerUnavailable, ImproperlyConfigured
from tq.testing.broker_kit import envelope, ids
from tq_amqp import AmqpBroker


@pytest.fixture(scope="module")
def tls_port() -> int:
    """Where the server speaks TLS."""
    return free_port()


@pytest.fixture(scope="module")
def server(tls_port: int) -> Iterator[RabbitmqServer]:
    """A server with the certificates of an authority, of its own and of a client in its folder."""
    files = {"cacertfile": "ca.pem", "certfile": "server.pem", "keyfile": "server.key"}
    lines = [f"ssl_options.{option} = {{folder}}/{file}" for option, file in files.items()]
    lines += ["ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true"]
    try:
        made = RabbitmqServer(f"listeners.ssl.1 = 127.0.0.1:{tls_port}", *lines)
    except ServiceMissing as missing:
        unavailable(str(missing))
    make_certificates(made.folder)
    with made:
        yield made


@pytest.fixture
def certificates(server: RabbitmqServer) -> Path:
    """Where they are."""
    return server.folder


@pytest.fixture
def url(server: RabbitmqServer, tls_port: int) -> str:
    """Of what speaks TLS."""
    return f"amqps://guest:guest@127.0.0.1:{tls_port}//"


def options(certificates: Path, *left_out: str, **other: Any) -> dict[str, Any]:
    """What a client says that trusts the authority and shows its own certificate."""
    files = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"}
    return {name: str(certificates / file) for name, file in files.items() if name not in left_out} | other


@pytest.mark.parametrize("left_out", [(), ("ssl_ca_certs",)], ids=["verified", "not verified"])
def test_messages_go_over_tls(url: str, certificates: Path, left_out: tuple[str, ...]) -> None:
    how = options(certificates, *left_out, **({"ssl_cert_reqs": "CERT_NONE"} if left_out else {}))
    with closing(AmqpBroker(url, how)) as broker:
        assert send(broker, envelope("q", "one")) == [None]
        with closing(broker.consumer(["q"], "c", lease=30.0)) as consumer:
            found = consumer.receive(1, 30.0)
            assert ids(found) == ["one"]


def test_messages_go_over_tls_where_celerys_setting_asks_for_it(url: str, certificates: Path) -> None:
    how = {name.removeprefix("ssl_"): file for name, file in options(certificates).items()}
    plain = url.replace("amqps://", "pyamqp://")
    with TQ("shop", broker=plain, broker_use_ssl=how, set_as_current=False) as app:
        app.send_task("shop.note", ["over TLS"])
        assert app.broker.stats("celery").ready == 1


@pytest.mark.parametrize("left_out", [("ssl_ca_certs",), ("ssl_certfile", "ssl_keyfile")])
def test_who_is_not_trusted_gets_no_connection(
    url: str, certificates: Path, left_out: tuple[str, ...]
) -> None:
    with (
        closing(AmqpBroker(url, options(certificates, *left_out))) as broker,
        pytest.raises(BrokerUnavailable, match="(?i)certificate"),
    ):
        broker.publish([envelope("q", "one")], timeout=10.0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ssl_ca_certs": "no-such.pem"}, "no-such.pem.*No such file"),
        ({"ssl_certfile": __file__}, "test_tls.py"),
        ({"ssl_cert_reqs": "maybe"}, "required, optional, none, not 'maybe'"),
    ],
)
def test_what_can_be_no_tls_is_a_wrong_setting_and_no_server_that_is_away(
    rabbitmq_url: str, wrong: dict[str, str], said: str
) -> None:
    with (
        closing(AmqpBroker(rabbitmq_url.replace("amqp://", "amqps://"), wrong)) as broker,
        pytest.raises(ImproperlyConfigured, match=said),
    ):
        broker.publish([envelope("q", "one")], timeout=10.0)
