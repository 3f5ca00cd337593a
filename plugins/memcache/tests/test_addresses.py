"""URLs, keys and lifetimes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymemcache.client.base import check_key_helper
from pymemcache.client.hash import HashClient

from plugins.memcache.tests.conftest import NewBackend
from tq.errors import ImproperlyConfigured
from tq_memcache.address import Address, read_address
from tq_memcache.keys import LONGEST_RELATIVE, Keys, lifetime
from tq_memcache.options import Options
from tq_memcache.ring import Ring


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("memcache://localhost", [("localhost", 11211)]),
        ("cache+memcached://h1:1,h2:2/", [("h1", 1), ("h2", 2)]),
        ("cache+memcached://h1:1;h2/?timeout=3", [("h1", 1), ("h2", 11211)]),
        ("memcached://[::1]:5/", [("::1", 5)]),
        ("memcached://[::1]/", [("::1", 11211)]),
        ("cache+pymemcache:///run/mem.sock/", ["/run/mem.sock"]),
        ("memcached://unix:/run/mem.sock", ["/run/mem.sock"]),
    ],
)
def test_a_url_names_servers(url: str, places: list[tuple[str, int] | str]) -> None:
    assert read_address(url) == Address(tuple(places))


def test_user_and_password_may_be_quoted() -> None:
    assert read_address("memcache://me:s%2F3@h1,h2:2/") == Address((("h1", 11211), ("h2", 2)), "me", "s/3")


@pytest.mark.parametrize(
    "url",
    [
        "cache+redis://h",
        "memcache://",
        "memcache:///",
        "memcache://h:x/",
        "memcache://h:0/",
        "memcache://a,a/",
        "memcache://cache..local/",
        "memcache://h/0",
    ],
)
def test_a_url_that_cannot_be_is_refused_with_its_password_masked(url: str) -> None:
    url = url.replace("://", "://u:s3cret@", 1)
    with pytest.raises(ImproperlyConfigured) as caught:
        read_address(url)
    assert "s3cret" not in str(caught.value)


def test_options_that_cannot_be_are_refused(backend_at: NewBackend) -> None:
    for options in (
        {"compression": "rot13"},
        {"global_keyprefix": "a b"},
        {"key_prefix": "k" * 200},
        {"timeout": 0},
    ):
        with pytest.raises(ImproperlyConfigured):
            backend_at("memcache://localhost/", **options)


@given(st.text(min_size=1, max_size=300))
def test_every_id_has_a_key_that_memcached_takes(name: str) -> None:
    key = Keys("", "").of("celery-task-meta-", name)
    assert check_key_helper(key, allow_unicode_keys=False) == key.encode()


def test_prefixes_are_set_off_as_celery_does() -> None:
    assert Keys("shop", "").of("celery-task-meta-", "1") == "shop_celery-task-meta-1"
    assert Keys("shop:", "").of("celery-task-meta-", "1") == "shop:celery-task-meta-1"


@given(st.lists(st.uuids(version=4).map(str), min_size=1, max_size=20))
def test_a_key_lies_where_pymemcache_looks_for_it(ids: list[str]) -> None:
    places = [("127.0.0.1", port) for port in (1, 2, 3)]
    ring = Ring("memcache://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/", Options())
    theirs = HashClient([f"{host}:{port}" for host, port in places])
    for task_id in ids:
        key = f"celery-task-meta-{task_id}"
        assert ring.at(key).name == "{}:{}".format(*theirs._get_client(key).server)


def test_lifetimes_are_relative_for_thirty_days_and_a_moment_from_then_on() -> None:
    assert (lifetime(None), lifetime(0)) == (0, 0)
    assert lifetime(0.2) == 2
    assert lifetime(LONGEST_RELATIVE - 1) == LONGEST_RELATIVE
    before = time.time()
    assert before <= lifetime(LONGEST_RELATIVE) - LONGEST_RELATIVE <= time.time() + 2
