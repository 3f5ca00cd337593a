"""URLs and options, and what servers refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DocumentTooLarge,
    InvalidName,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from plugins.mongodb.tests.conftest import NewBackend, Raw
from tests.services.mongodb import MongodbServer
from tq.errors import (
    BackendError,
    BackendUnavailable,
    BrokerError,
    BrokerUnavailable,
    ImproperlyConfigured,
    PublishError,
)
from tq.testing.broker_kit import envelope
from tq.testing.result_kit import success
from tq.wire.json import JsonSerializer
from tq_mongodb import MongoBackend, MongoBroker
from tq_mongodb.faults import explain
from tq_mongodb.options import durability, split_url


def test_what_mongodb_knows_goes_to_mongodb() -> None:
    url = "mongodb://me:p%2F%40@h1,h2:2/shop?replicaSet=rs&poll_interval=1&authSource=admin"
    assert split_url(url) == (
        "mongodb://me:p%2F%40@h1,h2:2/shop?poll_interval=1",
        "mongodb://me:p%2F%40@h1,h2:2/shop?replicaSet=rs&authSource=admin",
    )
    assert split_url("mongodb://h?database=x&w=majority")[1] == "mongodb://h/?w=majority"
    assert split_url("mongodb+srv://cluster.example/db") == ("mongodb+srv://cluster.example/db",) * 2


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {"w": "majority", "journal": True}),
        ("?retryWrites=false", {"w": "majority", "journal": True}),
        ("?w=1", {}),
        ("?Journal=false", {}),
    ],
)
def test_writes_wait_for_the_journal_unless_the_url_says_otherwise(
    query: str, wanted: dict[str, Any]
) -> None:
    assert durability(f"mongodb://host/db{query}") == wanted


def test_what_was_accepted_survives_the_death_of_the_server(
    mongodb_server: Callable[..., MongodbServer],
) -> None:
    server = mongodb_server()
    url = server.new_database()
    broker = MongoBroker(url)
    try:
        assert (
            list(broker.publish([envelope("q", f"m{number}") for number in range(20)], timeout=20))
            == [None] * 20
        )
        server.kill()
        server.start()
        assert broker.stats("q").ready == 20
    finally:
        broker.close()


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://me:s3cret@host:port/db",
        "mongodb://me:s3@cret@host/db",
        "mongodb://me:s3cret@/db",
        "mongodb://me:s3cret@host/db?w=x&tls=perhaps",
        "mongodb://me:s3cret@host/d b?readPreference=nowhere",
        "mongodb://me:s3cret@host/db?tls=true&tlsCAFile=/no/such/file",
        "mongodb://me:s3cret@host/db?operation_timeout=0",
    ],
)
def test_a_url_that_cannot_be_is_refused_with_its_password_masked(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        MongoBroker(url)
    assert "s3cret" not in str(caught.value) and "s3@cret" not in str(caught.value)


def test_a_srv_url_is_not_looked_up_before_it_is_used() -> None:
    broker = MongoBroker("mongodb+srv://me:s3cret@nowhere.invalid/db?operation_timeout=2")
    with pytest.raises((ImproperlyConfigured, BrokerError)) as caught:
        broker.publish([envelope("q", "one")], timeout=5)
    assert "s3cret" not in str(caught.value)
    broker.close()


def test_names_of_databases_and_collections_may_be_chosen(
    shared_mongodb: MongodbServer, backend_at: NewBackend
) -> None:
    url = f"{shared_mongodb.url}/"
    broker = MongoBroker(url, {"database": "named", "collection_prefix": "shop_"})
    assert broker.publish([envelope("q", "one")], timeout=60) == [None]
    backend_at(url, database="named", taskmeta_collection="results").store([success("a", 1)])
    with shared_mongodb.client() as client:
        assert client["named"]["shop_messages"].count_documents({}) == 1
        assert client["named"]["results"].count_documents({"_id": "a"}) == 1
    broker.close()


def test_users_log_in_and_get_what_they_may(mongodb_server: Callable[..., MongodbServer]) -> None:
    server = mongodb_server()
    with server.client() as client:
        for name, role in (("worker", "readWrite"), ("reader", "read")):
            roles = [{"role": role, "db": "shop"}]
            client["shop"].command("createUser", name, pwd="right", roles=roles)
    server.stop()
    server.words = ("--auth",)
    server.start()
    place = f"127.0.0.1:{server.port}/shop"
    one = [envelope("q", "one")]
    good = MongoBroker(f"mongodb://worker:right@{place}")
    assert good.publish(one, timeout=60) == [None]
    with pytest.raises(BrokerError, match=r"mongodb://worker:\*\*@.*does not accept this user and password"):
        MongoBroker(f"mongodb://worker:wr0ng@{place}").publish(one, timeout=60)
    with pytest.raises(BackendError, match="does not accept this user and password"):
        MongoBackend(f"mongodb://worker:wr0ng@{place}", serializer=JsonSerializer()).get(["a"])
    with pytest.raises(BrokerError, match="grant the role readWrite"):
        MongoBroker(f"mongodb://reader:right@{place}").publish(one, timeout=60)
    good.close()


def test_a_server_that_does_not_answer_is_given_up_and_found_again(
    mongodb_server: Callable[..., MongodbServer], backend_at: NewBackend
) -> None:
    server = mongodb_server()
    backend = backend_at(f"{server.url}/x", operation_timeout=2.0)
    backend.store([success("a", 1)])
    server.freeze()
    with pytest.raises(BackendUnavailable, match="no answer from MongoDB"):
        backend.get(["a"])
    server.thaw()
    assert backend_at(f"{server.url}/x").get(["a"])["a"].result == 1


@pytest.mark.parametrize(
    ("error", "later", "words"),
    [
        (OperationFailure("bad auth: Authentication failed.", 8000), False, "check both"),
        (OperationFailure("Authentication failed", None), False, "authSource"),
        (OperationFailure("not authorized", 13), False, "readWrite"),
        (OperationFailure("not primary", 10107), True, "election"),
        (OperationFailure("out of disk", 14031), True, "make room"),
        (OperationFailure("what?", 4711), False, "read what the server says"),
        (ServerSelectionTimeoutError("refused"), True, "check that the server runs"),
        (
            ServerSelectionTimeoutError(
                "refused (configured timeouts: 5 s), Timeout: 5s, Topology Description: <x>"
            ),
            True,
            "refused; check that the server runs",
        ),
        (AutoReconnect("closed"), True, "check that the server runs"),
        (DocumentTooLarge("17 MB"), False, "16 MB"),
        (ConfigurationError("Server reports wire version 6, but this needs 9"), False, "upgrade it"),
        (ConfigurationError("no such replica set"), False, "no such replica set"),
        (InvalidName("no '.' here"), False, "no '.' here; choose another name"),
        (PyMongoError("odd"), False, "odd"),
    ],
)
def test_what_pymongo_raises_becomes_a_sentence(error: Exception, later: bool, words: str) -> None:
    sentence, temporary = explain(error, "mongodb://me:**@h/db", "publish messages")
    assert "Topology" not in sentence and "configured timeouts" not in sentence
    assert words in sentence
    assert "mongodb://me:**@h/db" in sentence
    assert temporary is later


def test_a_message_that_is_too_large_spoils_no_other(mongodb_url: str, raw: Raw) -> None:
    broker = MongoBroker(mongodb_url, {"operation_timeout": 60.0})
    odd = envelope("q", "odd")
    # Its body fits, its headers do not.
    odd.message.headers["padding"] = "x" * 17 * 2**20
    answers: Any = broker.publish([envelope("q", "one"), odd], timeout=60)
    assert isinstance(answers[1], PublishError)
    assert answers[0] is None
    assert raw["tq_messages"].count_documents({}) == 1
    broker.close()


def test_a_publish_that_got_no_answer_is_in_doubt(mongodb_server: Callable[..., MongodbServer]) -> None:
    server = mongodb_server()
    broker = MongoBroker(f"{server.url}/x")
    broker.publish([envelope("q", "one")], timeout=60)
    server.freeze()
    with pytest.raises(BrokerUnavailable) as caught:
        broker.publish([envelope("q", "two")], timeout=1)
    assert caught.value.in_doubt
    server.thaw()
    broker.close()
