"""Groups: a member counts once, and exactly one of them has to see to what follows."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from tq.contracts.results import BackendCap, ResultBackend
from tq.records import GroupCount, GroupPart, GroupStart
from tq.testing.needs import needs
from tq.testing.result_kit import ResultKit
from tq.testing.threads import at_once

NOTHING = GroupCount()


def part(group: str, index: int, result: object = None, status: str = "SUCCESS") -> GroupPart:
    """The end of one member."""
    return GroupPart(group, index, f"{group}-{index}", status, result)


class Groups:
    """Tests of `start_group`, `count` and what belongs to them. `task_id` serves as id of the group."""

    backend_class: ClassVar[type[ResultBackend]]

    @needs(BackendCap.GROUPS)
    def test_the_member_that_completes_a_group_is_told_all_results(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        backend.start_group(GroupStart(task_id, 3))
        assert backend.count([part(task_id, 2, "größe"), part(task_id, 0, [1])]) == [NOTHING, NOTHING]
        (answer,) = kit.backend().count([part(task_id, 1, None)])
        assert answer.claimed
        assert [(each.task_id, each.status, each.result) for each in answer.parts] == [
            (f"{task_id}-0", "SUCCESS", [1]),
            (f"{task_id}-1", "SUCCESS", None),
            (f"{task_id}-2", "SUCCESS", "größe"),
        ]

    @needs(BackendCap.GROUPS)
    def test_a_member_that_ends_twice_counts_once_and_its_first_end_stands(
        self, backend: ResultBackend, task_id: str
    ) -> None:
        """Messages come again, so members end again; a counter that only adds completes a chord too early."""
        backend.start_group(GroupStart(task_id, 2))
        assert backend.count([part(task_id, 0, "first")] * 2) == [NOTHING, NOTHING]
        assert backend.count([part(task_id, 0, "second")]) == [NOTHING]
        (answer,) = backend.count([part(task_id, 1)])
        assert [each.result for each in answer.parts] == ["first", None]

    @needs(BackendCap.GROUPS)
    def test_the_claim_stays_with_the_member_that_has_it(self, backend: ResultBackend, task_id: str) -> None:
        """Whoever completed the group may die before it has sent what follows; its message comes again, and
        asks again."""
        backend.start_group(GroupStart(task_id, 2))
        backend.count([part(task_id, 0)])
        first = backend.count([part(task_id, 1, "x")])
        assert first[0].claimed
        assert backend.count([part(task_id, 0)]) == [NOTHING]
        assert backend.count([part(task_id, 1, "y")]) == first

    @needs(BackendCap.GROUPS)
    def test_the_first_failure_claims_at_once_and_alone(self, backend: ResultBackend, task_id: str) -> None:
        backend.start_group(GroupStart(task_id, 3))
        answer = backend.count([part(task_id, 1, {"exc_type": "E"}, "FAILURE")])[0]
        assert answer.claimed
        assert [each.status for each in answer.parts] == ["FAILURE"]
        later = backend.count([part(task_id, 0), part(task_id, 2, None, "REVOKED")])
        assert later == [NOTHING, NOTHING]
        assert backend.count([part(task_id, 1, "well now")])[0].parts[1].status == "FAILURE"

    @needs(BackendCap.GROUPS)
    def test_nothing_is_claimed_of_an_ended_or_unknown_group(
        self, backend: ResultBackend, task_id: str
    ) -> None:
        assert backend.count([part(task_id, 0, None, "FAILURE")]) == [NOTHING]
        group = f"{task_id}-started"
        backend.start_group(GroupStart(group, 1))
        assert backend.count([part(group, 0)])[0].claimed
        backend.end_groups([group, f"{task_id}-never"])
        backend.end_groups([])
        assert backend.count([part(group, 0), part(group, 1, None, "FAILURE")]) == [NOTHING, NOTHING]

    @needs(BackendCap.GROUPS)
    def test_starting_again_changes_nothing_unless_it_is_fresh(
        self, backend: ResultBackend, task_id: str
    ) -> None:
        backend.start_group(GroupStart(task_id, 2))
        backend.count([part(task_id, 0)])
        backend.start_group(GroupStart(task_id, 2))
        assert backend.count([part(task_id, 1)])[0].claimed
        backend.end_groups([task_id])
        backend.start_group(GroupStart(task_id, 1))
        assert backend.count([part(task_id, 1)]) == [NOTHING]
        backend.start_group(GroupStart(task_id, 1), fresh=True)
        assert backend.count([part(task_id, 5, "anew")])[0].parts[0].result == "anew"

    @needs(BackendCap.GROUPS)
    def test_the_structure_comes_back_with_the_claim(self, backend: ResultBackend, task_id: str) -> None:
        structure = [[task_id, None], [[["a", None], None], [["g", None], [[["b", None], None]]]]]
        backend.start_group(GroupStart(task_id, 1, structure))
        assert backend.count([part(task_id, 0)])[0].structure == structure

    @needs(BackendCap.GROUPS)
    def test_a_group_grows_once_for_each_task(self, backend: ResultBackend, task_id: str) -> None:
        backend.start_group(GroupStart(task_id, 1))
        backend.grow_group(task_id, "new")
        backend.grow_group(task_id, "new")
        assert backend.count([part(task_id, 0)]) == [NOTHING]
        (answer,) = backend.count([GroupPart(task_id, 0, "new", "SUCCESS", 1)])
        assert answer.claimed
        assert len(answer.parts) == 2

    @needs(BackendCap.GROUPS)
    def test_of_members_that_end_together_one_claims(self, kit: ResultKit, task_id: str) -> None:
        """Read, add and write in three steps, and two that end together both see a full group, or neither."""
        backends = [kit.backend() for _ in range(4)]
        backends[0].start_group(GroupStart(task_id, 40))
        answers = at_once(
            [
                partial(each.count, [part(task_id, index) for index in range(start, 40, 4)])
                for start, each in enumerate(backends)
            ]
        )
        claimed = [answer for many in answers for answer in many if answer.claimed]
        assert [len(answer.parts) for answer in claimed] == [40]

    @needs(BackendCap.GROUPS)
    def test_a_thousand_members_are_counted_in_their_order(
        self, backend: ResultBackend, task_id: str
    ) -> None:
        backend.start_group(GroupStart(task_id, 1000))
        answers = backend.count([part(task_id, index, index) for index in reversed(range(1000))])
        assert [answer.claimed for answer in answers] == [False] * 999 + [True]
        assert [each.result for each in answers[-1].parts] == list(range(1000))

    @needs(BackendCap.GROUPS)
    def test_a_saved_group_is_loaded_until_it_is_forgotten(
        self, kit: ResultKit, backend: ResultBackend, task_id: str
    ) -> None:
        assert backend.load_group(task_id) is None
        backend.save_group(task_id, [[task_id, None], []])
        backend.save_group(task_id, [[task_id, None], [[["a", None], None]]])
        assert kit.backend().load_group(task_id) == [[task_id, None], [[["a", None], None]]]
        backend.forget_group(task_id)
        assert backend.load_group(task_id) is None
