"""What `findings()` says of memcached."""

from __future__ import annotations

from collections.abc import Callable

from plugins.memcache.tests.conftest import NewBackend
from tests.services.memcached import MemcachedServer
from tq.records import Severity, TaskMeta


def test_a_sound_server_is_only_noted_as_forgetful(
    memcached_server: Callable[..., MemcachedServer], backend_at: NewBackend
) -> None:
    # One of its own: the tests that share one may have filled it.
    (note,) = backend_at(memcached_server().url).findings()
    assert note.severity is Severity.NOTE and "keeps nothing on disk" in note.what


def test_a_server_that_throws_results_away_is_a_warning(
    memcached_server: Callable[..., MemcachedServer], backend_at: NewBackend
) -> None:
    server = memcached_server("-m", "2", "-I", "512k")
    backend = backend_at(server.url)
    for number in range(200):
        backend.store([TaskMeta(f"t{number}", "SUCCESS", "x" * 100_000)])
    said = [each.what for each in backend.findings() if each.severity is Severity.WARNING]
    assert any("thrown away" in what and "before their time" in what for what in said)
    assert any("at most 524288 bytes" in what for what in said)
