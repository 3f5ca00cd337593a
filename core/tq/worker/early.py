"""Deliveries that are acknowledged before their bodies run (`acks_late=False`), and the trace that they leave.

The broker has them no more, so whoever finds the process dead could not say what was lost. The child notes the
delivery on its seat, in memory that the parent can read, from before the acknowledgement until its effects are stored.
With brokers that cannot be asked what a consumer holds, all that runs leaves such a trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

import msgspec

from tq import states
from tq.contracts.broker import Broker
from tq.contracts.pool import Notebook, Seat
from tq.errors import WorkerLost
from tq.records import Delivery, Message, Undecodable
from tq.wire.arrived import Arrived, arrive, whole
from tq.worker.outcome import GIVEN_BACK, Outcome
from tq.worker.run import Run

PAGE = 2**16
"""Bytes of messages that are noted at once: a note takes as long as a short body."""


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """A delivery that could be read. Its message is whole, or the bytes that came and whether `arrive` reads them."""

    queue: str
    receipt: int | str
    attempt: int
    token: bytes
    held: bool
    """It was not acknowledged: the broker has it still."""
    raw: bytes = b""
    plain: bool = True
    message: Message | None = None


_encode = msgspec.msgpack.Encoder().encode
_UNWRITABLE = (UnicodeError, OverflowError, RecursionError, TypeError, ValueError)
_decode = msgspec.msgpack.Decoder(list[Trace]).decode


def note(seat: Seat, delivery: Delivery, *, held: bool = False) -> None:
    """Leave a trace, where the seat has room for one. `held`: it is not acknowledged before it runs."""
    note_all(seat, [delivery], held=held)


def note_all(seat: Seat, deliveries: Iterable[Delivery], *, held: bool) -> frozenset[int | str]:
    """The same of the first ones, up to about `PAGE` bytes; their receipts."""
    traces: list[Trace] = []
    size = 0
    for delivery in deliveries:
        if traces and size + delivery.size > PAGE:
            break
        size += delivery.size
        if not isinstance(delivery.message, Undecodable):
            traces.append(_trace_of(delivery, delivery.message, held))
    if _is_notebook(seat):
        seat.note(_written(traces))
    return frozenset(trace.receipt for trace in traces)


def _written(traces: list[Trace]) -> bytes:
    try:
        return _encode(traces)
    except _UNWRITABLE:
        return _encode([_writable(trace) for trace in traces])


def _writable(trace: Trace) -> Trace:
    """Without headers and properties that a message may have, and a note cannot: numbers without bounds, lone surrogates,
    what nests too deeply."""
    found = trace.message
    if found is None:
        return trace
    headers, properties = _fitting(found.headers), _fitting(found.properties)
    return msgspec.structs.replace(
        trace, message=msgspec.structs.replace(found, headers=headers, properties=properties)
    )


def _fitting(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if _fits({name: value})}


def _fits(part: dict[str, Any]) -> bool:
    try:
        _encode(part)
    except _UNWRITABLE:
        return False
    return True


def _trace_of(delivery: Delivery, message: Message, held: bool) -> Trace:
    common = delivery.queue, delivery.receipt, delivery.attempt, delivery.token, held
    if isinstance(message, Arrived) and (raw := message.carried()):
        return Trace(*common, raw, type(message) is Arrived)
    return Trace(*common, message=whole(message))


def erase(seat: Seat) -> None:
    """All that follows from the run is stored."""
    if _is_notebook(seat):
        seat.note(b"")


def noted(seat: Seat, broker: Broker) -> Delivery | None:
    """What the process of this seat had acknowledged and not ended."""
    return next((_delivery(trace, broker) for trace in _traces(seat) if not trace.held), None)


def noted_run(seat: Seat, broker: Broker) -> Delivery | None:
    """What the process of this seat runs, or ran when it ended, and has not acknowledged."""
    receipt = seat.receipt
    held = (trace for trace in _traces(seat) if trace.held and trace.receipt == receipt)
    return next((_delivery(trace, broker) for trace in held), None)


def _traces(seat: Seat) -> list[Trace]:
    data = seat.noted if _is_notebook(seat) else b""
    return _decode(data) if data else []


def _is_notebook(seat: Seat) -> TypeGuard[Notebook]:
    return hasattr(seat, "note")  # for each task; `isinstance` of a protocol takes some 6 µs on Python 3.11


def _delivery(trace: Trace, broker: Broker) -> Delivery:
    if trace.message is not None:
        message = trace.message
    else:
        message = arrive(trace.raw) if trace.plain else broker.read_again(trace.raw)
    return Delivery(message, trace.queue, trace.receipt, trace.attempt, token=trace.token)


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
