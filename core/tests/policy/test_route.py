"""Routing: each form of `task_routes`, and what the caller says over it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import ImproperlyConfigured
from tq.policy.route import QueueInfo, Route, Router

NAMES = st.text("abc.", min_size=1, max_size=8)
QUEUES = st.sampled_from(["fast", "slow", "mails"])


def route(routes: Any, name: str = "shop.pay", options: dict[str, Any] | None = None, **more: Any) -> Route:
    return Router(routes, **more).route(name, (1,), {}, options or {})


class ByClass:
    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> dict[str, Any] | None:
        return {"queue": "by-class", "priority": len(args)} if task.startswith("shop.") else None


def by_function(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **more: Any) -> Any:
    return "by-function" if name == "shop.pay" else None


FORMS = [
    {"shop.pay": "q"},
    {"shop.pay": {"queue": "q"}},
    {"shop.*": "q"},
    {"shop.p?y": {"queue": "q"}},
    {"shop.[op]ay": "q"},
    {re.compile(r"shop\.(pay|refund)$"): {"queue": "q"}},
    [("shop.pay", "q")],
    [("other", "x"), ("shop.*", {"queue": "q"}), ("*", "y")],
    (("shop.*", "q"),),
    [{"other": "x"}, {"shop.*": "q"}],
    [[("other", "x")], [("shop.*", "q")]],
    [lambda name, *rest, **more: None, {"shop.pay": "q"}],
    lambda name, args, kwargs, options, task=None: "q",
    lambda name, args, kwargs, options, task=None: {"queue": "q"},
]


@pytest.mark.parametrize("routes", FORMS)
def test_every_form_leads_to_its_queue(routes: Any) -> None:
    assert route(routes).queue == "q"


@pytest.mark.parametrize("routes", [None, (), {}, {"other": "x"}, [lambda *a, **k: None], [("x.*", "y")]])
def test_without_a_match_the_default_queue_takes_it(routes: Any) -> None:
    assert route(routes, default_queue="home") == Route("home")


@pytest.mark.parametrize("router", [ByClass, ByClass()])
def test_a_class_with_route_for_task_may_be_given_as_class_or_object(router: Any) -> None:
    assert route(router) == Route("by-class", priority=1)
    assert route([router], name="other.x") == Route("celery")


@pytest.mark.parametrize(("path", "queue"), [("m.function", "by-function"), ("m.Class", "by-class")])
def test_a_router_may_be_named_by_its_path(path: str, queue: str) -> None:
    there = {"m.function": by_function, "m.Class": ByClass}
    assert route(path, resolve=there.__getitem__).queue == queue
    assert route([{"x": "y"}, path], resolve=there.__getitem__).queue == queue


def test_the_first_router_that_knows_decides() -> None:
    assert route([{"shop.*": "first"}, {"shop.pay": "second"}]).queue == "first"


def test_a_name_wins_over_patterns_and_patterns_go_in_their_order() -> None:
    assert route({"*": "all", "shop.*": "shop", "shop.pay": "exact"}).queue == "exact"
    assert route({"*": "all", "shop.*": "shop"}).queue == "all"


def test_routers_see_name_arguments_options_and_task() -> None:
    seen: list[Any] = []
    Router([lambda *args, task=None: seen.append((*args, task))]).route(
        "n", (1,), {"a": 2}, {"queue": None}, "t"
    )
    assert seen == [("n", (1,), {"a": 2}, {"queue": None}, "t")]


@given(name=NAMES, routed=QUEUES, said=QUEUES, priority=st.integers(0, 9))
def test_what_the_caller_says_wins(name: str, routed: str, said: str, priority: int) -> None:
    found = route({"*": {"queue": routed, "priority": 1}}, name, {"queue": said, "priority": priority})
    assert found == Route(said, priority=priority)


@given(name=NAMES, routed=QUEUES)
def test_an_option_of_none_says_nothing(name: str, routed: str) -> None:
    assert route({"*": routed}, name, {"queue": None, "priority": None}) == Route(routed)


@given(patterns=st.lists(st.tuples(NAMES, QUEUES), max_size=5), name=NAMES)
def test_a_list_of_pairs_is_a_mapping_in_order(patterns: list[tuple[str, str]], name: str) -> None:
    assert route(patterns, name) == route([dict(patterns)], name)


def test_the_default_priority_fills_the_gap() -> None:
    assert route(None, default_priority=4) == Route("celery", priority=4)
    assert route({"shop.*": "q"}, default_priority=4).priority == 4
    assert route({"shop.*": {"queue": "q", "priority": 0}}, default_priority=4).priority == 0


def test_a_declared_queue_brings_its_exchange_and_key() -> None:
    queues = [QueueInfo("mails", "post", "mail.key")]
    assert route({"shop.*": "mails"}, queues=queues) == Route("mails", "post", "mail.key")
    assert route(None, options={"routing_key": "mail.key"}, queues=queues).queue == "mails"


def test_a_key_without_exchange_and_binding_says_nothing() -> None:
    assert route(None, options={"routing_key": "elsewhere"}) == Route("celery", routing_key="elsewhere")
    assert route({"shop.*": {"routing_key": "k"}}, default_queue="home").queue == "home"


def test_a_call_that_names_no_queue_goes_where_its_exchange_would_lead_it() -> None:
    queues = [
        QueueInfo("default", "tasks", "task.#", exchange_type="topic"),
        QueueInfo("feeds", "tasks", "feed.#", exchange_type="topic"),
        QueueInfo("images", "media", "k"),
        QueueInfo("news", "press", exchange_type="fanout"),
        QueueInfo("odd", "other", "k"),
    ]
    router = Router(default_queue="default", queues=queues)
    for exchange, key, queue in [
        ("", "feed.import", "feeds"),
        ("tasks", "feed.import", "feeds"),
        ("tasks", "task.x", "default"),
        ("media", "k", "images"),
        ("other", "k", "odd"),
        ("press", "any", "news"),
        ("", "nothing", "default"),
        ("theirs", "orders", "orders"),
    ]:
        assert router.route("t", (), {}, {"exchange": exchange, "routing_key": key}).queue == queue
    assert router.route("t", (), {}, {}) == Route("default", "tasks", "task.#")
    own = Router(queues=[QueueInfo("all", exchange_type="fanout")])
    assert own.route("t", (), {}, {"queue": "all"}) == Route("all", "all")


def test_an_object_with_a_name_may_stand_for_a_queue_or_exchange() -> None:
    assert route(None, options={"queue": QueueInfo("mails")}).queue == "mails"
    assert route(None, options={"exchange": QueueInfo("post"), "queue": "mails"}) == Route("mails", "post")


def test_an_undeclared_queue_is_refused_where_none_shall_be_made() -> None:
    queues = [QueueInfo("mails"), QueueInfo("orders")]
    with pytest.raises(ImproperlyConfigured, match=r"'shop\.pay'.*'typo'.*declared: mails, orders"):
        route({"shop.pay": "typo"}, queues=queues, create_missing=False)
    assert route(None, queues=queues, create_missing=False).queue == "celery"


def test_a_path_that_cannot_be_imported_here_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'m\.Router'"):
        route("m.Router")


def test_a_broadcast_is_found_by_its_exchange_and_no_other_queue_is() -> None:
    queues = [QueueInfo("celery"), QueueInfo("news", "x", "k", broadcast=True), QueueInfo("mails", "y", "m")]
    router = Router(
        {"a": {"exchange": "x"}, "b": {"exchange": "y"}, "c": {"routing_key": "k"}}, queues=queues
    )
    assert [router.route(name, (), {}, {}).queue for name in "abc"] == ["news", "celery", "celery"]
