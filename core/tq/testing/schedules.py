"""`ScheduleStoreConformance`: the tests of every schedule store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import pytest

from tq.contracts.schedules import Advance, Entry, Row, ScheduleCap, ScheduleStore, State
from tq.errors import BackendError, BackendUnavailable, ImproperlyConfigured
from tq.testing.threads import at_once
from tq.testing.waiting import survive
from tq.wire.ids import new_id

LONG = 60.0
WHOLE = Entry(
    name="größe 任务 {a}:*",
    task="shop.tasks.clean",
    schedule={"type": "crontab", "minute": "*/5", "zone": "Europe/Berlin"},
    args=[1, "x", None, {"a": [1.5]}],
    kwargs={"größe": True},
    options={"queue": "mails", "expires": 10.5},
    zone="Asia/Tokyo",
    enabled=False,
    misfire="catch-up",
    catch_up=7,
    grace=2.5,
    overlap="queue",
    origin="config",
)
FULL = State(
    next_due=1763714400.123457,
    last_due=1763714399.1,
    last_sent=1763714399.9,
    last_id="5a0d9b0e-6f0f-4f0c-9f5e-3f1d3a1a7c42",
    sent=2**40,
    queued=[1.25, 1763714399.123456],
    series=3,
)


def entry(name: str = "tick", **more: Any) -> Entry:
    """A small entry."""
    return Entry(name=name, task="t", schedule={"type": "interval", "every": 1.0}, **more)


class ScheduleStoreConformance:
    """Inherit, set `store_class`, and override the fixture `store_url`.

    Each test takes a namespace of its own, so the store need not be empty. Other fixtures: `store_options`,
    `short_lease` (seconds), `dead_url`, `restart_service`.
    """

    store_class: ClassVar[type[ScheduleStore]]

    @pytest.fixture
    def store_url(self) -> str:
        """The URL of a store. Required."""
        pytest.fail(f"{type(self).__name__} must override the fixture `store_url`")

    @pytest.fixture
    def store_options(self) -> Mapping[str, Any]:
        """Options of the store."""
        return {}

    @pytest.fixture
    def short_lease(self) -> float:
        """A lease that a test can wait for."""
        return 0.3

    @pytest.fixture
    def dead_url(self) -> str:
        """A URL where nothing listens, with the password `s3cret` in it."""
        pytest.skip(f"no fixture `dead_url` in {type(self).__name__}: a server that is gone is not tested")

    @pytest.fixture
    def restart_service(self) -> Callable[[], None]:
        """Stops the server behind `store_url`, starts it again, and returns when it answers."""
        pytest.skip(f"no fixture `restart_service` in {type(self).__name__}: restarts are not tested")

    @pytest.fixture
    def new_store(
        self, store_url: str, store_options: Mapping[str, Any]
    ) -> Iterator[Callable[..., ScheduleStore]]:
        made: list[ScheduleStore] = []
        here = new_id()

        def make(namespace: str = here) -> ScheduleStore:
            made.append(self.store_class(store_url, store_options, namespace=namespace))
            return made[-1]

        yield make
        for store in made:
            store.close()

    @pytest.fixture
    def store(self, new_store: Callable[..., ScheduleStore]) -> ScheduleStore:
        return new_store()

    # -- opening -------------------------------------------------------------------------------------------

    def test_an_unknown_option_is_refused_by_name(self, store_url: str) -> None:
        with pytest.raises(ImproperlyConfigured, match="no_such_option"):
            self.store_class(store_url, {"no_such_option": 1})

    def test_closing_twice_keeps_the_rows(self, new_store: Callable[..., ScheduleStore]) -> None:
        first = new_store()
        first.save([Row(entry())])
        first.close()
        first.close()
        assert [row.entry.name for row in new_store().read()] == ["tick"]

    def test_the_api_version_is_one_that_the_core_knows(self) -> None:
        assert self.store_class.api_version == ScheduleStore.api_version

    # -- rows ----------------------------------------------------------------------------------------------

    def test_a_row_comes_back_as_it_was_saved(self, store: ScheduleStore) -> None:
        assert store.save([Row(WHOLE, FULL), Row(entry())]) == [True, True]
        found = {row.entry.name: row for row in store.read()}
        assert found == {WHOLE.name: Row(WHOLE, FULL, 1), "tick": Row(entry(), State(), 1)}

    def test_read_of_names_leaves_out_what_is_not_there(self, store: ScheduleStore) -> None:
        store.save([Row(entry("a")), Row(entry("b"))])
        assert [row.entry.name for row in store.read(["b", "none"])] == ["b"]
        assert list(store.read([])) == []

    def test_names_that_differ_by_case_are_two(self, store: ScheduleStore) -> None:
        assert store.save([Row(entry("a")), Row(entry("A")), Row(entry("a "))]) == [True] * 3
        assert {row.entry.name for row in store.read()} == {"a", "A", "a "}

    def test_creating_what_is_there_is_refused(self, store: ScheduleStore) -> None:
        store.save([Row(entry())])
        assert store.save([Row(entry(), FULL), Row(entry("new"))]) == [False, True]
        assert store.read(["tick"])[0].state == State()

    def test_replacing_needs_the_revision_that_was_read(self, store: ScheduleStore) -> None:
        store.save([Row(entry())])
        assert store.save([Row(entry(catch_up=5), FULL, 1)]) == [True]
        assert store.save([Row(entry(catch_up=6), State(), 1)]) == [False]
        assert list(store.read()) == [Row(entry(catch_up=5), FULL, 2)]
        assert store.save([Row(entry("none"), State(), 4)]) == [False]

    def test_remove_needs_the_revision_that_was_read(self, store: ScheduleStore) -> None:
        store.save([Row(entry()), Row(entry("stays"))])
        assert store.remove("tick", 2) is False
        assert store.remove("tick", 1) is True
        assert store.remove("tick", 1) is False
        assert [row.entry.name for row in store.read()] == ["stays"]
        assert store.save([Row(entry())]) == [True]

    def test_namespaces_do_not_see_each_other(self, new_store: Callable[..., ScheduleStore]) -> None:
        one, two = new_store(f"größe {new_id()}"), new_store(new_id())
        one.save([Row(entry())])
        assert list(two.read()) == []
        assert two.save([Row(entry(), FULL)]) == [True]
        assert one.lead("first", LONG).fence == two.lead("second", LONG).fence == 1
        assert list(one.read()) == [Row(entry(), State(), 1)]

    def test_two_thousand_rows_are_saved_advanced_and_read(self, store: ScheduleStore) -> None:
        names = [f"entry {number}" for number in range(2000)]
        assert all(store.save([Row(entry(name)) for name in names]))
        fence = store.lead("me", LONG).fence
        assert fence is not None
        batch = [Advance(name, 1, State(next_due=float(at))) for at, name in enumerate(names)]
        assert store.advance(batch, fence=fence) == [True] * 2000
        found = {row.entry.name: row for row in store.read()}
        assert [found[name].state.next_due for name in names] == [float(at) for at in range(2000)]

    # -- the version ---------------------------------------------------------------------------------------

    def test_the_version_changes_with_entries_and_only_with_them(self, store: ScheduleStore) -> None:
        first = store.lead("me", LONG)
        assert first.fence is not None
        store.save([Row(entry())])
        second = store.lead("me", LONG).version
        store.advance([Advance("tick", 1, FULL)], fence=first.fence)
        assert store.save([Row(entry(), State(), 1)]) == [False]
        assert store.lead("me", LONG).version == second
        store.remove("tick", 2)
        third = store.lead("other", LONG).version
        assert len({first.version, second, third}) == 3

    # -- leading -------------------------------------------------------------------------------------------

    def test_one_leads_and_the_others_learn_how_long(self, store: ScheduleStore) -> None:
        first = store.lead("one", LONG)
        other = store.lead("two", LONG)
        assert (first.fence, other.fence) == (1, None)
        assert LONG - 10 < other.left <= LONG
        assert store.lead("one", LONG).fence == 1

    def test_a_lease_that_is_over_goes_to_another_one_with_a_greater_fence(
        self, store: ScheduleStore, short_lease: float
    ) -> None:
        assert store.lead("one", short_lease).fence == 1
        time.sleep(short_lease * 1.2)
        assert store.lead("two", LONG).fence == 2
        assert store.lead("one", LONG).fence is None

    def test_a_late_owner_goes_on_where_nobody_else_has_led(
        self, store: ScheduleStore, short_lease: float
    ) -> None:
        assert store.lead("one", short_lease).fence == 1
        time.sleep(short_lease * 1.2)
        assert store.lead("one", LONG).fence == 1

    def test_leading_again_makes_the_lease_longer(self, store: ScheduleStore, short_lease: float) -> None:
        store.lead("one", short_lease)
        store.lead("one", LONG)
        time.sleep(short_lease * 1.2)
        assert store.lead("two", LONG).fence is None

    def test_who_resigns_is_followed_at_once(self, store: ScheduleStore) -> None:
        store.lead("one", LONG)
        store.resign("two")
        assert store.lead("two", LONG).fence is None
        store.resign("one")
        assert store.lead("two", LONG).fence == 2

    # -- advancing -----------------------------------------------------------------------------------------

    def test_advance_writes_the_state_once(self, store: ScheduleStore) -> None:
        store.save([Row(entry())])
        fence = store.lead("me", LONG).fence
        assert fence is not None
        assert store.advance([Advance("tick", 1, FULL)], fence=fence) == [True]
        assert store.advance([Advance("tick", 1, State())], fence=fence) == [False]
        assert store.advance([Advance("none", 1, State())], fence=fence) == [False]
        assert list(store.read()) == [Row(entry(), FULL, 2)]

    def test_a_leader_that_slept_through_its_lease_changes_nothing(
        self, store: ScheduleStore, short_lease: float
    ) -> None:
        store.save([Row(entry()), Row(entry("other"))])
        old = store.lead("one", short_lease).fence
        assert old is not None
        time.sleep(short_lease * 1.2)
        assert store.lead("two", LONG).fence == old + 1
        batch = [Advance("tick", 1, FULL), Advance("other", 1, FULL)]
        assert store.advance(batch, fence=old) == [False, False]
        assert [row.state for row in store.read()] == [State(), State()]

    def test_a_leader_that_resigned_and_was_followed_changes_nothing(self, store: ScheduleStore) -> None:
        store.save([Row(entry())])
        old = store.lead("one", LONG).fence
        assert old is not None
        store.resign("one")
        store.lead("two", LONG)
        assert store.advance([Advance("tick", 1, FULL)], fence=old) == [False]

    def test_a_changed_entry_stops_the_advance_of_its_old_revision(self, store: ScheduleStore) -> None:
        store.save([Row(entry())])
        fence = store.lead("me", LONG).fence
        assert fence is not None
        store.save([Row(entry(enabled=False), State(), 1)])
        assert store.advance([Advance("tick", 1, FULL)], fence=fence) == [False]

    def test_of_many_at_once_one_leads_and_one_creates(self, new_store: Callable[..., ScheduleStore]) -> None:
        stores = [new_store() for _ in range(4)]
        led: list[int] = []
        created: list[bool] = []

        def work(number: int) -> None:
            for round_ in range(20):
                created.extend(stores[number].save([Row(entry(f"entry {round_}"))]))
                answer = stores[number].lead(f"owner {number}", LONG)
                led.extend([number] if answer.fence is not None else [])

        at_once([partial(work, number) for number in range(4)])
        assert len(set(led)) == 1
        assert created.count(True) == 20

    # -- outages -------------------------------------------------------------------------------------------

    def test_a_dead_server_is_a_backend_error_without_the_password(self, dead_url: str) -> None:
        store = self.store_class(dead_url)
        with pytest.raises(BackendUnavailable) as caught:
            store.lead("me", LONG)
        assert "s3cret" not in str(caught.value)
        store.close()

    def test_rows_and_leadership_survive_a_restart(
        self, store: ScheduleStore, restart_service: Callable[[], None]
    ) -> None:
        if ScheduleCap.DURABLE not in self.store_class.capabilities:
            pytest.skip("not durable")
        store.save([Row(WHOLE, FULL)])
        fence = store.lead("me", LONG).fence
        restart_service()
        answer = survive(lambda: store.lead("me", LONG), BackendError)
        assert answer.fence == fence
        assert list(store.read()) == [Row(WHOLE, FULL, 1)]
