"""Chords in the worker: members are counted before they are acknowledged, and whoever completes a group sends
what follows it together with its own acknowledgement.

A worker that dies in between repeats all of it when its message comes back: a member counts once, the claim
stays with it, ids depend on the workflow alone, and messages that came already are not stored again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tq.contracts.broker import Broker
from tq.contracts.results import ResultBackend
from tq.errors import BackendError, BackendUnavailable, SerializationError
from tq.policy.broadcast import NO_BROADCASTS, Broadcasts
from tq.records import Action, Envelope, GroupCount, Settlement
from tq.wire.exceptions import exception_document
from tq.worker.follow import Ended, Followed, FollowUp, Note

logger = logging.getLogger("tq.worker")

AT_ONCE = 200
"""Messages that go with a settlement; more than these are sent before it, in batches."""
Complete = Callable[[Mapping[str, Any], str, GroupCount], FollowUp]


@dataclass(frozen=True, slots=True)
class Chords:
    """`complete(body, group id, count)` says what follows a group. `timeout`: seconds for one publish."""

    broker: Broker
    backend: ResultBackend
    complete: Complete
    timeout: float = 4.0
    broadcasts: Broadcasts = NO_BROADCASTS

    def settle(self, done: Sequence[Settlement]) -> list[Settlement]:
        """Do what brokers cannot; returns plain settlements, with all that they have to publish.

        Raises `BackendUnavailable` and `BrokerUnavailable`; doing it again is harmless. A member whose result cannot
        be stored has failed, as its task has. What cannot be stored at all becomes a dead letter that says why.
        """
        if not any(isinstance(each, Followed) for each in done):
            return list(done)
        try:
            return self._settle(done)
        except BackendUnavailable:
            raise
        except (BackendError, SerializationError) as exc:
            if len(done) > 1:
                return [plain for each in done for plain in self.settle([each])]
            if (failed := _failed(done[0], exc)) is not None:
                logger.error("a member of a chord counts as failed: %s", exc)
                return self.settle([failed])
            logger.exception("what follows a task in queue %s cannot be done", done[0].delivery.queue)
            reason = f"its chord cannot be counted: {exc}"
            return [
                Settlement(
                    done[0].delivery, Action.DEAD, reason=reason, result=done[0].result, unlock=done[0].unlock
                )
            ]

    def give_up(self, settlement: Settlement, exc: Exception) -> None:
        """What follows the groups of this settlement cannot be sent: the bodies fail in its place.

        Raises `BackendError` and `BrokerError`.
        """
        if not isinstance(settlement, Followed):
            return
        for member in settlement.members:
            if member.part.group_id in settlement.claimed:
                part = msgspec.structs.replace(member.part, status="FAILURE", result=exception_document(exc))
                follow = self.complete(member.body, part.group_id, GroupCount(True, (part,)))
                failed = Followed(settlement.delivery, publish=follow.publish, ends=follow.ends)
                failed = msgspec.structs.replace(failed, members=follow.members, claimed=(part.group_id,))
                (done,) = self.settle([failed])
                self.publish(done.publish)
                self.end([done], [True])

    def end(self, done: Sequence[Settlement], settled: Sequence[bool]) -> None:
        """What follows these is stored: their groups are over. A failure leaves them to expire."""
        over = [
            group
            for each, ok in zip(done, settled, strict=True)
            if ok and isinstance(each, Followed)
            for group in each.claimed
        ]
        try:
            if over:
                self.backend.end_groups(over)
        except BackendError as exc:
            logger.warning("%d groups are done and stay until they expire: %s", len(over), exc)

    def _settle(self, done: Sequence[Settlement]) -> list[Settlement]:
        plain = list(done)
        more = [(at, _needs(each)) for at, each in enumerate(done) if isinstance(each, Followed)]
        while more:
            more = self._one_round(plain, more)
        return [self._publish_ahead(each) for each in plain]

    def _one_round(
        self, plain: list[Settlement], work: list[tuple[int, FollowUp]]
    ) -> list[tuple[int, FollowUp]]:
        """Start, store and count; then what follows the groups that are complete needs the same."""
        for _, needs in work:
            for start in needs.starts:
                self.backend.start_group(start)
        if ends := [meta for _, needs in work for meta in needs.ends]:
            self.backend.store(ends)
        for _, needs in work:
            for note in needs.notes:
                self._keep(note)
        members = [(at, member) for at, needs in work for member in needs.members]
        if not members:
            return []
        counts = self.backend.count([member.part for _, member in members])
        more = []
        for (at, member), count in zip(members, counts, strict=True):
            if count.claimed:
                follow = self.complete(member.body, member.part.group_id, count)
                plain[at] = _with(plain[at], follow, member.part.group_id)
                more.append((at, follow))
        return more

    def _keep(self, note: Note) -> None:
        try:
            self.backend.save_group(note.key, note.content)
        except BackendUnavailable:
            raise
        except (BackendError, SerializationError) as exc:
            # Nothing but `tq workflow` needs it.
            logger.warning("what `tq workflow` needs of %s is not kept: %s", note.of, exc)

    def _publish_ahead(self, settlement: Settlement) -> Settlement:
        waiting = settlement.publish
        if len(waiting) <= AT_ONCE:
            return settlement
        for at in range(0, len(waiting), AT_ONCE):
            self.publish(waiting[at : at + AT_ONCE])
        return msgspec.structs.replace(settlement, publish=())

    def publish(self, batch: Sequence[Envelope]) -> None:
        """Publish now. Raises `BrokerUnavailable`; a message that is refused is logged."""
        for error in self.broadcasts.publish(self.broker, batch, timeout=self.timeout):
            if error is not None:
                logger.error("a follow-up message was refused: %s", error)


def _failed(settlement: Settlement, exc: Exception) -> Followed | None:
    """The same with its members failed for this reason; None where nothing would be other than before."""
    if not isinstance(settlement, Followed) or all(
        member.part.status != "SUCCESS" for member in settlement.members
    ):
        return None
    members = tuple(
        Ended(
            msgspec.structs.replace(member.part, status="FAILURE", result=exception_document(exc)),
            member.body,
        )
        for member in settlement.members
    )
    return msgspec.structs.replace(settlement, members=members)


def _needs(settlement: Followed) -> FollowUp:
    return FollowUp((), settlement.starts, settlement.members, settlement.ends, notes=settlement.notes)


def _with(settlement: Settlement, follow: FollowUp, group: str) -> Settlement:
    assert isinstance(settlement, Followed)
    return msgspec.structs.replace(
        settlement, publish=settlement.publish + follow.publish, claimed=(*settlement.claimed, group)
    )
