"""Groups, beyond the suite: what memcached forgets, and what a death between two steps leaves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from plugins.memcache.tests.conftest import NewBackend
from plugins.memcache.tests.test_servers import raw
from tests.services.memcached import MemcachedServer
from tq.errors import BackendError
from tq.records import GroupCount, GroupPart, GroupStart
from tq.testing.result_kit import success
from tq_memcache import MemcacheBackend
from tq_memcache.keys import digest
from tq_memcache.members import line_of

NOTHING = GroupCount()


def part(index: int, result: Any = None, status: str = "SUCCESS") -> GroupPart:
    """The end of a member of group `g`."""
    return GroupPart("g", index, f"t{index}", status, result)


class Evict:
    """Removes keys of group `g` as eviction does."""

    def __init__(self, server: MemcachedServer) -> None:
        self._client = raw(server)

    def __call__(self, name: str) -> None:
        head = f"tq-group-{digest('g')[:40]}"
        if name == "head":
            assert self._client.delete(head)
            return
        keys = [key for key in self.keys() if key.startswith(head) and key.endswith(f"-{name}")]
        assert keys
        for key in keys:
            assert self._client.delete(key)

    def keys(self) -> list[str]:
        """All keys of the server."""
        dump = self._client.raw_command(b"lru_crawler metadump all", b"END\r\n")
        return [
            line.split()[0].removeprefix(b"key=").decode() for line in dump.splitlines() if b"key=" in line
        ]


@pytest.fixture
def evict(shared_memcached: MemcachedServer) -> Evict:
    """Makes the session's server forget."""
    return Evict(shared_memcached)


def test_a_result_that_was_evicted_ends_the_group_with_an_error(
    backend: MemcacheBackend, evict: Evict
) -> None:
    backend.start_group(GroupStart("g", 2))
    backend.count([part(0, "kept nowhere")])
    evict(line_of(part(0)))
    (answer,) = backend.count([part(1)])
    assert answer.claimed
    failed = [each for each in answer.parts if each.status == "FAILURE"]
    assert failed[0].result["exc_type"] == "ChordError"
    assert "memcached evicted" in failed[0].result["exc_message"][0]
    assert backend.count([part(1)]) == [answer]


@pytest.mark.parametrize("name", ["log", "count"])
def test_a_log_or_count_that_was_evicted_ends_the_group_with_an_error(
    backend: MemcacheBackend, evict: Evict, name: str
) -> None:
    backend.start_group(GroupStart("g", 3))
    backend.count([part(0)])
    evict(name)
    (answer,) = backend.count([part(1)])
    assert answer.claimed
    assert [each.result["exc_type"] for each in answer.parts if each.status == "FAILURE"] == ["ChordError"]
    assert backend.count([part(2)]) == [NOTHING]


def test_a_group_whose_head_was_evicted_is_unknown(backend: MemcacheBackend, evict: Evict) -> None:
    backend.start_group(GroupStart("g", 1))
    evict("head")
    assert backend.count([part(0, None, "FAILURE")]) == [NOTHING]


def test_a_member_that_died_after_each_step_is_counted_when_it_comes_again(
    backend: MemcacheBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tq_memcache.members import Keep

    for step in ("first", "note", "replace"):
        backend.start_group(GroupStart("g", 2), fresh=True)
        assert backend.count([part(0, step)]) == [NOTHING]
        real = getattr(Keep, step)

        def dies(self: Keep, *args: Any, real: Any = real) -> Any:
            real(self, *args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Keep, step, dies)
            backend.count([part(1, "done")])
        (answer,) = backend.count([part(1, "again")])
        assert [each.result for each in answer.parts] == [step, "done"]


def test_an_ended_group_leaves_one_small_key(backend: MemcacheBackend, evict: Evict) -> None:
    backend.start_group(GroupStart("g", 20, [["g", None], []]))
    backend.count([part(index) for index in range(20)])
    assert len(evict.keys()) == 23
    backend.end_groups(["g"])
    assert len(evict.keys()) == 1


def test_starting_twice_leaves_nothing_of_the_second(backend: MemcacheBackend, evict: Evict) -> None:
    backend.start_group(GroupStart("g", 2))
    backend.start_group(GroupStart("g", 2))
    assert len(evict.keys()) == 3


def test_a_group_lives_on_while_its_members_end(
    memcached_url: str, backend_at: NewBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tq_memcache import members

    touched: list[str] = []
    backend = backend_at(memcached_url, expires=1000)
    backend.start_group(GroupStart("g", 10))
    backend.count([part(0), part(1)])
    moment = time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 400)
    real = members.Keep._run
    monkeypatch.setattr(
        members.Keep,
        "_run",
        lambda self, *args: touched.append(args[0]) or real(self, *args),  # type: ignore[func-returns-value]
    )
    backend.count([part(2), part(3)])
    assert touched.count("touch") == 6, "head, log, count and three ends, once"


def test_a_member_that_is_too_large_is_refused(backend: MemcacheBackend) -> None:
    backend.start_group(GroupStart("g", 1))
    with pytest.raises(BackendError, match="group g has a result"):
        backend.count([part(0, "x" * 2_000_000)])


def test_a_saved_group_lies_under_celerys_key(
    shared_memcached: MemcachedServer, backend: MemcacheBackend
) -> None:
    backend.save_group("g", [["g", None], [[["a", None], None]]])
    backend.store([success("a", 1)])
    assert (
        raw(shared_memcached).get("celery-taskset-meta-g") == b'{"result":[["g",null],[[["a",null],null]]]}'
    )
    raw(shared_memcached).set("celery-taskset-meta-g", b"{}")
    with pytest.raises(BackendError, match="saved group g"):
        backend.load_group("g")
