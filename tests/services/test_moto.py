"""The quick queue of the emulator of SQS answers as moto's own does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("moto", reason="no moto found")

from moto.sqs import models
from moto.sqs.exceptions import PurgeQueueInProgress, ReceiptHandleIsInvalid
from moto.sqs.models import Queue, SQSBackend

from tests.services import moto_program
from tests.services.moto_program import QuickQueue, seeing_one

NAMES = ("q", "q.fifo")
_PLACE = st.integers(0, 11)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(NAMES), st.sampled_from((0, 3))),
        st.tuples(st.just("receive"), st.sampled_from(NAMES), st.integers(1, 4)),
        st.tuples(st.just("delete"), _PLACE, st.just(0)),
        st.tuples(st.just("change"), _PLACE, st.sampled_from((0, 5))),
        st.tuples(st.just("wait"), st.integers(1, 6), st.just(0)),
        st.tuples(st.just("purge"), st.sampled_from(NAMES), st.just(0)),
    ),
    max_size=40,
)
CHANGE = SQSBackend.change_message_visibility


class Player:
    """Plays steps on queues of one kind and says what they answer. Time goes by when the test says so."""

    def __init__(self, kind: Callable[..., Queue]) -> None:
        self.kind = kind
        self.backend = SQSBackend("eu-west-1", "123456789012")
        self.handles: list[tuple[str, str]] = []
        dead = {name: kind(f"dead-{name}", "eu-west-1", "123456789012", **_fifo(name)) for name in NAMES}
        for name in NAMES:
            queue = kind(name, "eu-west-1", "123456789012", **_fifo(name))
            queue.dead_letter_queue = dead[name]
            queue.redrive_policy = {"maxReceiveCount": 3}
            self.backend.queues |= {name: queue, dead[name].name: dead[name]}

    def play(self, number: int, what: str, first: Any, second: int) -> Any:
        if what == "send":
            self._send(first, number, second)
        elif what == "receive":
            return self._receive(first, second)
        elif what != "wait":
            return self._change(what, first, second)
        return self.counts()

    def counts(self) -> Any:
        return {
            name: {key: str(value) for key, value in self.backend.get_queue_attributes(name, ["All"]).items()}
            for name in self.backend.queues
        }

    def _send(self, name: str, number: int, delay: int) -> None:
        more = {"group_id": str(number % 2), "deduplication_id": str(number % 9)} if _fifo(name) else {}
        self.backend.send_message(name, str(number), delay_seconds=0 if more else delay, **more)  # type: ignore[arg-type]

    def _receive(self, name: str, limit: int) -> list[tuple[str, int]]:
        found = self.backend.receive_message(name, limit, 0, 4)
        queue = self.backend.get_queue(name)
        if isinstance(queue, QuickQueue):
            queue.lend(found)
        self.handles += [(name, str(each.receipt_handle)) for each in found]
        return [(each.body, each.approximate_receive_count) for each in found]

    def _change(self, what: str, first: Any, seconds: int) -> Any:
        try:
            if what == "purge":
                self.backend.purge_queue(first)
            elif self.handles:
                name, handle = self.handles[first % len(self.handles)]
                if what == "delete":
                    self.backend.delete_message(name, handle)
                else:
                    change = seeing_one(CHANGE) if self.kind is QuickQueue else CHANGE
                    change(self.backend, name, handle, seconds)
        except (ReceiptHandleIsInvalid, PurgeQueueInProgress) as exc:
            return type(exc)
        return self.counts()


def _fifo(name: str) -> dict[str, str]:
    return {"FifoQueue": "true"} if name.endswith(".fifo") else {}


@given(_STEPS)
@settings(max_examples=40, deadline=None)
def test_a_quick_queue_answers_as_a_queue_of_moto(steps: list[tuple[str, Any, int]]) -> None:
    now = 1e6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "unix_time", lambda: now)
        for module in (models, moto_program):
            patch.setattr(module, "unix_time_millis", lambda: now * 1000)
        players = [Player(kind) for kind in (Queue, QuickQueue)]
        for number, step in enumerate(steps):
            now += step[1] if step[0] == "wait" else 0
            expected, answer = (player.play(number, *step) for player in players)
            assert answer == expected, step
