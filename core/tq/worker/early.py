"""Deliveries that are acknowledged before their bodies run (`acks_late=False`), and the trace that they leave.

The broker has them no more, so whoever finds the process dead could not say what was lost. The child notes the
delivery on its seat, in memory that the parent can read, from before the acknowledgement until its effects are stored.
With brokers that cannot be asked what a consumer holds, all that runs leaves such a trace.
"""

from __future__ import annotations

from typing import TypeGuard

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
    attempt: int = 1
    token: bytes = b""
    held: bool = False
    """It was not acknowledged: the broker has it still."""


_decoder = msgspec.msgpack.Decoder(Trace)


def note(seat: Seat, delivery: Delivery, *, held: bool = False) -> None:
    """Leave a trace, where the seat has room for one. `held`: it is not acknowledged before it runs."""
    found = delivery.message
    if _is_notebook(seat) and isinstance(found, Message):
        d = delivery
        # One that has just arrived has made no dictionaries yet.
        whole = Message(
            found.headers, found.properties, found.body, found.content_type, found.content_encoding
        )
        seat.note(msgspec.msgpack.encode(Trace(whole, d.queue, d.receipt, d.attempt, d.token, held)))


def erase(seat: Seat) -> None:
    """All that follows from the run is stored."""
    if _is_notebook(seat):
        seat.note(b"")


def noted(seat: Seat) -> Delivery | None:
    """What the process of this seat had acknowledged and not ended."""
    trace = _trace(seat)
    return None if trace is None or trace.held else _delivery(trace)


def noted_run(seat: Seat) -> Delivery | None:
    """What the process of this seat runs, or ran when it ended, and has not acknowledged."""
    trace = _trace(seat)
    return _delivery(trace) if trace is not None and trace.held and trace.receipt == seat.receipt else None


def _trace(seat: Seat) -> Trace | None:
    data = seat.noted if _is_notebook(seat) else b""
    return _decoder.decode(data) if data else None


def _is_notebook(seat: Seat) -> TypeGuard[Notebook]:
    return hasattr(seat, "note")  # for each task; `isinstance` of a protocol takes some 6 µs on Python 3.11


def _delivery(trace: Trace) -> Delivery:
    return Delivery(trace.message, trace.queue, trace.receipt, trace.attempt, token=trace.token)


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
