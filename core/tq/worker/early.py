"""Deliveries that are acknowledged before their bodies run (`acks_late=False`), and the trace that they leave.

The broker has them no more, so whoever finds the process dead could not say what was lost. The child notes the
delivery on its seat, in memory that the parent can read, from before the acknowledgement until its effects are stored.
"""

from __future__ import annotations

import msgspec

from tq import states
from tq.contracts.pool import Notebook, Seat
from tq.errors import WorkerLost
from tq.records import Delivery, Message
from tq.worker.outcome import GIVEN_BACK, Outcome
from tq.worker.run import Run


class Trace(msgspec.Struct, frozen=True):
    """A delivery that could be read."""

    message: Message
    queue: str
    receipt: int | str


_decoder = msgspec.msgpack.Decoder(Trace)


def note(seat: Seat, delivery: Delivery) -> None:
    """Leave a trace, where the seat has room for one."""
    if isinstance(seat, Notebook) and isinstance(delivery.message, Message):
        seat.note(msgspec.msgpack.encode(Trace(delivery.message, delivery.queue, delivery.receipt)))


def erase(seat: Seat) -> None:
    """All that follows from the run is stored."""
    if isinstance(seat, Notebook):
        seat.note(b"")


def noted(seat: Seat) -> Delivery | None:
    """What the process of this seat had acknowledged and not ended."""
    data = seat.noted if isinstance(seat, Notebook) else b""
    if not data:
        return None
    trace = _decoder.decode(data)
    return Delivery(trace.message, trace.queue, trace.receipt)


def broken_off(run: Run) -> Run:
    """The end of a run that goes on by itself, and whose own end will come too late."""
    end = Run(run.delivery, run.call, run.plan, outcome=GIVEN_BACK)
    ended(end)
    return end


def ended(run: Run) -> None:
    """A run whose message is gone cannot go back to its queue: then it has failed."""
    if run.outcome is not None and run.outcome.requeue:
        why = "it was broken off, and had been acknowledged before it ran (acks_late=False)"
        run.outcome = Outcome(states.FAILURE, WorkerLost(why))
