"""What follows one run besides its result: messages, groups to start, members to count, tasks that never run."""

from __future__ import annotations

from typing import Any

import msgspec

from tq.canvas.unroll import Member
from tq.records import Envelope, GroupPart, GroupStart, Settlement, TaskMeta


class Ended(msgspec.Struct, frozen=True):
    """A member of a chord has ended; `body` is what runs when all have."""

    part: GroupPart
    body: Any


class Note(msgspec.Struct, frozen=True):
    """What the store of results keeps of a workflow besides results; `of` is the task or workflow that it is about."""

    kind: str
    of: str
    content: Any

    @property
    def key(self) -> str:
        """Under which it is kept."""
        return note_key(self.kind, self.of)


def note_key(kind: str, of: str) -> str:
    """Under which a note is kept: `workflow` (its tree), `replaced` (the tree in a task's place), or `failed` (the
    message of a task)."""
    return f"tq-{kind}-{of}"


class FollowUp(msgspec.Struct, frozen=True):
    """`children` are the results of `publish` in Celery's form, for the document of the run."""

    publish: tuple[Envelope, ...] = ()
    starts: tuple[GroupStart, ...] = ()
    members: tuple[Ended, ...] = ()
    ends: tuple[TaskMeta, ...] = ()
    children: tuple[Any, ...] = ()
    notes: tuple[Note, ...] = ()

    def joined(self, other: FollowUp) -> FollowUp:
        """Both."""
        return FollowUp(
            self.publish + other.publish,
            self.starts + other.starts,
            self.members + other.members,
            self.ends + other.ends,
            self.children + other.children,
            self.notes + other.notes,
        )


NOTHING = FollowUp()


class Followed(Settlement, frozen=True):
    """A settlement that needs more than a broker can do: `tq.worker.chords.Chords` does it before.

    `claimed` are groups whose follower this settlement sends; they can be ended when it is settled.
    """

    starts: tuple[GroupStart, ...] = ()
    members: tuple[Ended, ...] = ()
    ends: tuple[TaskMeta, ...] = ()
    claimed: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def ended(member: Member, status: str, result: Any) -> Ended:
    """The end of a member."""
    return Ended(GroupPart(member.group_id, member.index, member.task_id, status, result), member.body)
