"""All forms of `task_queues` and `task_routes`."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tq import Exchange
from tq import Queue as DeclaredQueue
from tq.config import Broadcast, Settings
from tq.errors import ImproperlyConfigured
from tq.records import Queue


def queues(value: Any) -> tuple[Queue, ...] | None:
    return Settings({"task_queues": value}, files=False, environ={}).task_queues


def test_names_mappings_and_queues_come_out_alike() -> None:
    expected = (Queue("a"), Queue("b", exchange="x", routing_key="b.#", max_priority=10))
    options = {"exchange": "x", "routing_key": "b.#", "max_priority": 10}
    assert queues(["a", {"name": "b", **options}]) == expected
    assert queues({"a": {"routing_key": ""}, "b": options}) == expected
    assert queues(expected) == expected


def test_in_a_mapping_a_queue_is_bound_by_its_own_name_as_in_celery() -> None:
    assert queues({"a": None, "b": {"broadcast": True}}) == (Queue("a", routing_key="a"), Broadcast("b"))


def test_celerys_binding_key_is_the_routing_key() -> None:
    assert queues({"a": {"exchange": "x", "binding_key": "k"}}) == (
        Queue("a", exchange="x", routing_key="k"),
    )


def test_queue_objects_of_kombu_are_read_by_their_attributes() -> None:
    exchange = SimpleNamespace(name="x", type="topic")
    theirs = SimpleNamespace(
        name="a",
        exchange=exchange,
        routing_key="a.*",
        max_priority=None,
        queue_arguments={"x-max-priority": 5},
    )
    assert queues([theirs]) == (
        Queue(
            "a", exchange="x", exchange_type="topic", routing_key="a.*", queue_arguments={"x-max-priority": 5}
        ),
    )


def test_queues_and_exchanges_are_written_as_with_kombu() -> None:
    media = Exchange("media", type="topic")
    assert DeclaredQueue("videos", media, "media.video") == Queue("videos", "media", "topic", "media.video")
    assert DeclaredQueue("videos", "media", routing_key="v") == Queue("videos", "media", routing_key="v")
    assert DeclaredQueue("videos") == Queue("videos")
    limited = DeclaredQueue(
        "videos", max_priority=5, message_ttl=1.5, queue_arguments={"x-queue-mode": "lazy"}
    )
    assert limited == Queue(
        "videos", max_priority=5, queue_arguments={"x-queue-mode": "lazy", "x-message-ttl": 1500}
    )
    assert queues([limited]) == (limited,)


def test_limits_of_kombus_queues_become_arguments_and_what_has_no_place_is_refused() -> None:
    exchange = SimpleNamespace(name="", type="direct")
    limits = {"expires": 3600.0, "message_ttl": 1.5, "max_length": 7, "max_length_bytes": None}
    theirs = {"name": "a", "exchange": exchange, "routing_key": "", "durable": True, "auto_delete": False}
    arguments = {"x-expires": 3_600_000, "x-message-ttl": 1500, "x-max-length": 7}
    assert queues([SimpleNamespace(**theirs, **limits)]) == (Queue("a", queue_arguments=arguments),)
    for other in ({"durable": False}, {"auto_delete": True}, {"bindings": {"one"}}):
        with pytest.raises(ImproperlyConfigured, match=f"'a' has {next(iter(other))}"):
            queues([SimpleNamespace(**{**theirs, **other})])


def test_a_broadcast_is_written_in_any_form_and_read_from_kombus() -> None:
    theirs = SimpleNamespace(
        name="bcast.5f1e",
        alias="news",
        exchange=SimpleNamespace(name="news", type="fanout"),
        routing_key="",
    )
    expected = (Queue("news", exchange="news", exchange_type="fanout", broadcast=True),)
    for form in (
        [Broadcast("news")],
        [Broadcast("news", queue="mine", unique=True)],
        [{"name": "news", "broadcast": True}],
        {"news": {"broadcast": True}},
        [theirs],
    ):
        assert queues(form) == expected
    elsewhere = Queue("news", exchange="x", exchange_type="fanout", routing_key="k", broadcast=True)
    assert queues([Broadcast("news", exchange=SimpleNamespace(name="x"), routing_key="k")]) == (elsewhere,)
    with pytest.raises(ImproperlyConfigured, match="needs a name"):
        Broadcast()


def test_one_name_and_none_are_queues_too() -> None:
    assert queues("a") == (Queue("a"),)
    assert queues(None) is None


@pytest.mark.parametrize(
    "routes",
    [
        None,
        {"shop.*": "shop"},
        [("shop.*", {"queue": "shop"}), {"a": "b"}],
        ([("a.*", {"queue": "a"}), ("b.*", {"queue": "b"}), (re.compile("c|d"), {"queue": "c"})],),
        "shop.routers.route",
        lambda name, *args: "shop",
        [lambda name, *args: None, "shop.routers.route"],
        [SimpleNamespace(route_for_task=print)],
    ],
)
def test_routes_are_kept_as_they_are(routes: Any) -> None:
    assert Settings({"task_routes": routes}, files=False, environ={}).task_routes == routes
