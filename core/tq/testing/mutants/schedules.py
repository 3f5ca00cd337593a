"""Schedule stores that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from tq.beat.memory import MemoryScheduleStore, Shelf
from tq.contracts.schedules import Advance, Lead, Row, ScheduleStore, State
from tq.options import parse_options


class ScheduleMutant(MemoryScheduleStore):
    """A store in memory with a flaw."""

    caught_by: ClassVar[str]
    """The test of `ScheduleStoreConformance` that must fail."""


class SwallowsUnknownOptions(ScheduleMutant):
    """Takes a misspelt option for none."""

    caught_by = "test_an_unknown_option_is_refused_by_name"

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, *, namespace: str = "default"
    ) -> None:
        super().__init__(url, {}, namespace=namespace)
        self.options = parse_options(self.options_type, url, {})


class ForgetsWhenClosed(ScheduleMutant):
    """Loses all rows with the connection."""

    caught_by = "test_closing_twice_keeps_the_rows"

    def close(self) -> None:
        self._shelves.pop(self._key, None)


class LivesInTheFuture(ScheduleMutant):
    """Is written for a contract that nobody knows."""

    caught_by = "test_the_api_version_is_one_that_the_core_knows"
    api_version = ScheduleStore.api_version + 1


class DropsTheState(ScheduleMutant):
    """Saves entries, and not what beat knows of them."""

    caught_by = "test_a_row_comes_back_as_it_was_saved"

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        return super().save([msgspec.structs.replace(row, state=State()) for row in rows])


class ReadsAllForSome(ScheduleMutant):
    """Ignores which names were asked for."""

    caught_by = "test_read_of_names_leaves_out_what_is_not_there"

    def read(self, names: Sequence[str] | None = None) -> Sequence[Row]:
        return super().read()


class FoldsNames(ScheduleMutant):
    """Takes names that differ by case for one."""

    caught_by = "test_names_that_differ_by_case_are_two"

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        return super().save(
            [
                msgspec.structs.replace(
                    row, entry=msgspec.structs.replace(row.entry, name=row.entry.name.lower())
                )
                for row in rows
            ]
        )


class CreatesOverWhatIsThere(ScheduleMutant):
    """Replaces a row that somebody else has created meanwhile."""

    caught_by = "test_creating_what_is_there_is_refused"

    def _save(self, row: Row) -> bool:
        if not row.revision:
            self._shelf.rows.pop(row.entry.name, None)
        return super()._save(row)


class SavesOverChanges(ScheduleMutant):
    """Replaces a row whatever its revision is by now."""

    caught_by = "test_replacing_needs_the_revision_that_was_read"

    def _save(self, row: Row) -> bool:
        there = self._shelf.rows.get(row.entry.name)
        newest = there.revision if there is not None and row.revision else row.revision
        return super()._save(msgspec.structs.replace(row, revision=newest))


class RemovesWhatWasChanged(ScheduleMutant):
    """Removes a row whatever its revision is by now."""

    caught_by = "test_remove_needs_the_revision_that_was_read"

    def remove(self, name: str, revision: int) -> bool:
        there = self._shelf.rows.get(name)
        return super().remove(name, revision if there is None else there.revision)


class MixesApps(ScheduleMutant):
    """Has one shelf for all namespaces of a URL."""

    caught_by = "test_namespaces_do_not_see_each_other"

    @property
    def _shelf(self) -> Shelf:
        return self._shelves.setdefault((self._key[0], ""), Shelf())


class AdvancesOneBatchOfAThousand(ScheduleMutant):
    """Writes at most 1,000 states at once."""

    caught_by = "test_two_thousand_rows_are_saved_advanced_and_read"

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        super().advance(batch[:1000], fence=fence)
        return [True] * len(batch)


class CountsTicksAsChanges(ScheduleMutant):
    """Changes the version with each tick, so that beats read everything all the time."""

    caught_by = "test_the_version_changes_with_entries_and_only_with_them"

    def _advance(self, one: Advance) -> bool:
        self._shelf.version += 1
        return super()._advance(one)


class HidesRemovals(ScheduleMutant):
    """Does not change the version when a row goes: beats send it for ever."""

    caught_by = "test_the_version_changes_with_entries_and_only_with_them"

    def remove(self, name: str, revision: int) -> bool:
        version = self._shelf.version
        done = super().remove(name, revision)
        self._shelf.version = version
        return done


class LetsTwoLead(ScheduleMutant):
    """Gives the lead to everybody who asks."""

    caught_by = "test_one_leads_and_the_others_learn_how_long"

    def lead(self, owner: str, lease: float) -> Lead:
        self._shelf.owner = owner
        return super().lead(owner, lease)


class LeadsForEver(ScheduleMutant):
    """Never takes the lead from a beat that died."""

    caught_by = "test_a_lease_that_is_over_goes_to_another_one_with_a_greater_fence"

    def lead(self, owner: str, lease: float) -> Lead:
        return super().lead(owner, lease * 1000)


class KeepsItsFence(ScheduleMutant):
    """Gives the next leader the fence of the one before."""

    caught_by = "test_a_lease_that_is_over_goes_to_another_one_with_a_greater_fence"

    def lead(self, owner: str, lease: float) -> Lead:
        answer = super().lead(owner, lease)
        if answer.fence is None:
            return answer
        self._shelf.fence = 1
        return Lead(1, answer.left, answer.version)


class FencesWhoIsLate(ScheduleMutant):
    """Counts a leader that is late as a new one, though nobody has led meanwhile."""

    caught_by = "test_a_late_owner_goes_on_where_nobody_else_has_led"

    def lead(self, owner: str, lease: float) -> Lead:
        first = self._shelf.owner is None
        answer = super().lead(owner, lease)
        if answer.fence is not None and not first:
            self._shelf.fence += 1
        return super().lead(owner, lease)


class DoesNotRenew(ScheduleMutant):
    """Lets a lease end though its owner goes on."""

    caught_by = "test_leading_again_makes_the_lease_longer"

    def lead(self, owner: str, lease: float) -> Lead:
        mine, until = self._shelf.owner == owner, self._shelf.until
        answer = super().lead(owner, lease)
        if mine:
            self._shelf.until = until
        return answer


class ResignsForOthers(ScheduleMutant):
    """Ends the lead of whoever has it."""

    caught_by = "test_who_resigns_is_followed_at_once"

    def resign(self, owner: str) -> None:
        self._shelf.owner = None


class StaysAfterResigning(ScheduleMutant):
    """Makes the next one wait for the whole lease."""

    caught_by = "test_who_resigns_is_followed_at_once"

    def resign(self, owner: str) -> None:
        """It goes on."""


class AdvancesTwice(ScheduleMutant):
    """Writes a state over one that is newer."""

    caught_by = "test_advance_writes_the_state_once"

    def _advance(self, one: Advance) -> bool:
        there = self._shelf.rows.get(one.name)
        if there is not None:
            one = msgspec.structs.replace(one, revision=there.revision)
        return super()._advance(one)


class HearsOldLeaders(ScheduleMutant):
    """Takes the word of a leader that slept through its lease."""

    caught_by = "test_a_leader_that_slept_through_its_lease_changes_nothing"

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        return super().advance(batch, fence=self._shelf.fence)


class HearsWhoResigned(HearsOldLeaders):
    """Takes the word of a leader that resigned."""

    caught_by = "test_a_leader_that_resigned_and_was_followed_changes_nothing"


class AdvancesWhatWasPaused(AdvancesTwice):
    """Writes the state of an entry that was changed meanwhile, and sends by the old one."""

    caught_by = "test_a_changed_entry_stops_the_advance_of_its_old_revision"


class LeadsInARace(ScheduleMutant):
    """Looks and writes in two steps, so that two create one row."""

    caught_by = "test_of_many_at_once_one_leads_and_one_creates"

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        return [super(LeadsInARace, self).save([row])[0] or not row.revision for row in rows]


SCHEDULES: tuple[type[ScheduleMutant], ...] = tuple(
    found
    for found in list(globals().values())
    if isinstance(found, type) and issubclass(found, ScheduleMutant) and found is not ScheduleMutant
)
"""All of them."""
