"""One reader of queues, with a connection of its own: when that is gone, all that it held is back in its queues."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import msgspec

from tq.contracts.broker import Consumer
from tq.errors import TQError
from tq.records import Action, Delivery, Envelope, Message, Settlement
from tq_amqp import flow, messages
from tq_amqp.backend import RpcBackend
from tq_amqp.bell import Bell
from tq_amqp.faults import Server
from tq_amqp.forms import Forms
from tq_amqp.outgoing import Office, Outgoing
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.session import Held, Session
from tq_amqp.streams import INTERNAL_ERROR, let_others_finish
from tq_amqp.suspects import identity, name_of

T = TypeVar("T")
logger = logging.getLogger("tq.amqp")
_RETURNS = 5
"""How often a quorum queue may take a message back before it gets a new copy instead: it drops or buries what came
back too often (20 times, unless it is told otherwise)."""
_PARTING = 3.0
_ABANDONED = (Down, Refused)


class AmqpConsumer(Consumer):
    """See `tq.contracts.broker.Consumer`. `connect` opens a session until a moment; `on_loss` hears that one broke; `prepare`
    makes what notes need, elsewhere."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[str],
        connect: Callable[[Sequence[str], int, float], Session],
        office: Office,
        server: Server,
        *,
        timeout: float,
        replies: Callable[[], RpcBackend | None],
        on_loss: Callable[[], None],
        prepare: Callable[[], None],
    ) -> None:
        self.id = consumer_id
        self._queues = queues
        self._connect = connect
        self._office = office
        self._server = server
        self._timeout = timeout
        self._replies = replies
        self._on_loss = on_loss
        self._prepare = prepare
        self._prepared = False
        self._bell = Bell()
        self._access = threading.Lock()
        self._session: Session | None = None
        self._receipts = itertools.count()
        self._held: dict[int, Held] = {}
        self._just_settled: frozenset[int] = frozenset()
        self._pace = flow.Pace()
        self._forms = Forms()
        self._watched = False
        self._closed = False
        self._guarded(self._ready, "open a consumer")

    def __repr__(self) -> str:
        return f"AmqpConsumer({self.id!r}, {self._server.shown!r})"

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return self.turn((), limit, wait)[1]

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return self.turn(batch, 0, 0.0)[0]

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        doing = f"receive from {', '.join(self._queues)}" if limit else "settle tasks"
        with self._access:
            return self._guarded(lambda: self._turn(batch, limit, time.monotonic() + wait), doing)

    def keep(self, running: Collection[int] = ()) -> None:
        # Whoever has the lock talks to the server, which keeps the connection alive as well.
        if self._access.acquire(blocking=False):
            try:
                if self._session is not None:
                    self._give_back_strays(self._session)
                    self._session.look()
                    self._note(self._session, running)
            except _ABANDONED as exc:
                raise self._server.broker_error(exc, "keep the connection of a consumer") from exc
            finally:
                self._access.release()

    def interrupt(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        with self._access:
            if not self._closed:
                self._closed = True
                session, self._session = self._session, None
                noted = [held.suspect for held in self._held.values() if held.suspect]
                self._held.clear()
                if session is not None:
                    until = time.monotonic() + _PARTING
                    if noted:
                        with contextlib.suppress(*_ABANDONED):  # then the server has it all back already
                            session.outlet.publish(session.suspects.end(noted), until)
                    session.wire.close(until)
                self._bell.close()

    # -- one turn ------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], T], doing: str) -> T:
        try:
            return work()
        except _ABANDONED as exc:
            self._lose()
            raise self._server.broker_error(exc, doing) from exc
        except TQError:
            raise
        except BaseException:
            # A signal's exception may have come in the middle of an answer, and the next one would be taken for it.
            self._lose()
            raise

    def _turn(
        self, batch: Sequence[Settlement], limit: int, until: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        self._look()
        settled = self._settle(batch) if batch else ()
        if limit:
            return settled, self._received(limit, until, len(batch))
        if self._session is not None:
            self._give_back_strays(self._session)
            self._session.flush(self._patience())
        return settled, ()

    def _ready(self) -> Session:
        if self._session is None:
            self._session = self._connect(self._queues, self._bell.fd, self._patience())
        return self._session

    def _look(self) -> None:
        """Find out what became of the connection while the tasks ran."""
        session = self._session
        if session is None:
            return
        with contextlib.suppress(*_ABANDONED):  # the session keeps it as its failure
            session.look()
        failure = session.failure
        if isinstance(failure, _ABANDONED):
            logger.log(
                logging.ERROR if self._held else logging.WARNING,
                "consumer %s lost its connection to %s, and the %d deliveries that it held: %s",
                self.id,
                self._server.shown,
                len(self._held),
                self._server.reason(failure),
            )
            self._lose()

    def _lose(self) -> None:
        session, self._session = self._session, None
        self._held.clear()
        if session is not None:
            session.wire.drop()
            self._on_loss()

    def _patience(self) -> float:
        return time.monotonic() + self._timeout

    # -- receiving -----------------------------------------------------------------------------------------

    def _received(self, limit: int, until: float, settled: int) -> list[Delivery]:
        try:
            return self._receive(limit, until, settled)
        except Refused as exc:
            # So ends the connection of who reads a quorum queue while somebody else is making it (RabbitMQ 3.10).
            if exc.code != INTERNAL_ERROR or settled or self._held:
                raise
        self._lose()
        let_others_finish()
        return self._receive(limit, until, settled)

    def _receive(self, limit: int, until: float, settled: int) -> list[Delivery]:
        session = self._ready()
        self._choose_flow(session, limit, settled)
        goes_on = bool(session.flow) and self._draw(session, limit, until)
        rang = self._bell.rang()
        if session.flow and not goes_on and not rang:
            session.end_flow(self._patience())
        found = session.strays()
        if rang or session.flow:
            return self._handed_out(session, found, limit)
        # A wait finds what is in a single queue as well as a look at it.
        if len(self._queues) > 1 or time.monotonic() >= until:
            for queue in self._queues:
                if len(found) < limit:
                    found += session.poll(queue, limit - len(found), self._patience())
        if not found:
            found = session.wait(limit, until, max(until, time.monotonic()) + self._timeout)
            self._bell.rang()
        return self._handed_out(session, found, limit)

    def _draw(self, session: Session, limit: int, until: float) -> bool:
        """Let the flow run for a moment; whether it is worth keeping."""
        portion = _portion(session, limit)
        there = session.draw(portion, time.monotonic() + flow.PAUSE)
        # Other queues than the one that flows must not wait for it.
        if not there and len(self._queues) == 1 and session.draw(1, min(until, time.monotonic() + flow.DRY)):
            there = session.draw(portion, time.monotonic() + flow.PAUSE)
        return self._pace.goes_on(there, portion)

    def _handed_out(self, session: Session, found: list[tuple[str, Incoming]], limit: int) -> list[Delivery]:
        clean = next((place for place, (_, incoming) in enumerate(found) if incoming.again), len(found))
        if clean < len(found):
            session.end_flow(self._patience())
        most = _portion(session, limit) if session.flow else limit
        # A suspect is handed out alone: if it kills this process, nothing else was running here.
        chosen = found[: min(most, max(clean, 1))]
        session.put_aside(found[len(chosen) :])
        if session.ahead and not self._watched:
            self._watched = True
            flow.watch(self._pace, self._turn_back)
        self._pace.handed_out(len(chosen), full=len(chosen) == limit and chosen[-1][0] == self._queues[0])
        found_here = (self._delivery(session, queue, incoming) for queue, incoming in chosen)
        return [delivery for delivery in found_here if delivery is not None]

    def _choose_flow(self, session: Session, limit: int, settled: int) -> None:
        """Keep, begin or end the flow, as tasks are short or not; see `tq_amqp.flow`."""
        if session.flow and (
            limit < flow.LEAST or limit >= 2 * session.flow or not self._pace.is_quick(settled)
        ):
            session.end_flow(self._patience())
        if not session.flow and self._pace.wants_flow(settled, limit):
            session.start_flow(limit, self._patience())

    def _turn_back(self, turns: int) -> bool:
        """Give back what is ahead where nothing was asked for since so many turns; whether there is nothing any more."""
        with self._access:
            session = self._session
            if session is not None and session.ahead and self._pace.turns == turns:
                with contextlib.suppress(*_ABANDONED):  # the next turn finds that out
                    self._give_back_strays(session)
                    session.flush(self._patience())
            self._watched = session is not None and session.ahead
            return not self._watched

    def _delivery(self, session: Session, queue: str, incoming: Incoming) -> Delivery | None:
        message, added = self._forms.read(incoming, queue)
        receipt = next(self._receipts)
        suspect = identity(message, queue) if incoming.again else ""
        died: int | None = 0
        if suspect:
            self._prepare_notes()
            died = session.suspects.begin(suspect, name_of(self.id, receipt), self._patience())
        if died is None:
            for error in self._refused(
                session, [(receipt, out) for out in session.suspects.end([suspect])]
            ).values():
                raise error
            session.acknowledge([incoming.tag])
            return None
        returns = added.get(messages.DELIVERY_COUNT, 0)
        replies = self._replies()
        if replies is not None and isinstance(message, Message):
            replies.remember_caller(message)
        delivery = Delivery(message, queue, receipt, died + 1, len(incoming.body))
        self._held[receipt] = Held(
            delivery, incoming.tag, returns if isinstance(returns, int) else 0, suspect
        )
        return delivery

    def _note(self, session: Session, running: Collection[int]) -> None:
        """A body that runs for so long is worth a note: then its holder's death counts, though nobody reports it."""
        for receipt in running:
            held = self._held.get(receipt)
            if held is not None and not held.suspect:
                suspect = identity(held.delivery.message, held.delivery.queue)
                self._prepare_notes()
                session.suspects.note(suspect, name_of(self.id, receipt), self._patience())
                self._held[receipt] = msgspec.structs.replace(held, suspect=suspect)

    def _prepare_notes(self) -> None:
        if not self._prepared:
            self._prepare()
            self._prepared = True

    def _give_back_strays(self, session: Session) -> None:
        session.end_flow(self._patience())
        session.give_back([incoming.tag for _, incoming in session.strays()])

    # -- settling ------------------------------------------------------------------------------------------

    def _settle(self, batch: Sequence[Settlement]) -> list[bool]:
        session = self._session
        mine: dict[int, Settlement] = {}
        answers: list[bool] = []
        for settlement in batch:
            receipt = int(settlement.delivery.receipt)
            fresh = session is not None and receipt in self._held and receipt not in mine
            if fresh:
                mine[receipt] = settlement
            answers.append(fresh or receipt in self._just_settled)
        if session is not None and mine:
            outgoing = [(at, out) for at, settlement in mine.items() for out in self._outgoing(settlement)]
            ended = [(at, held.suspect) for at in mine if (held := self._held[at]).suspect]
            outgoing += [(at, note) for at, suspect in ended for note in session.suspects.end([suspect])]
            refused = self._refused(session, outgoing)
            # What has left everything it had to leave would leave it once more, were it settled again with the others.
            done = (
                {at: settlement for at, settlement in mine.items() if at not in refused} if refused else mine
            )
            self._end(session, done)
            self._just_settled = self._just_settled.union(done) if refused else frozenset(done)
            for error in refused.values():
                raise error
        return answers

    def _refused(self, session: Session, outgoing: Sequence[tuple[int, Outgoing]]) -> dict[int, Exception]:
        """Publish; the errors of what was not taken, by the receipts that it came with."""
        if not outgoing:
            return {}
        answers = session.outlet.publish([out for _, out in outgoing], self._patience())
        return {at: error for (at, _), error in zip(outgoing, answers, strict=True) if error is not None}

    def _outgoing(self, settlement: Settlement) -> list[Outgoing]:
        out = self._answers(settlement)
        if settlement.action is Action.DEAD:
            out.append(self._office.bury(settlement.delivery, settlement.reason, time.time()))
        elif settlement.action is Action.REQUEUE and self._copies(settlement):
            out.append(self._office.again(settlement.delivery, settlement.delay))
        return out

    def _answers(self, settlement: Settlement) -> list[Outgoing]:
        """The result, and the messages that follow; what follows a task answers to who asked for the task."""
        replies, message = self._replies(), settlement.delivery.message
        if replies is None or not isinstance(message, Message):
            return [each for envelope in settlement.publish for each in self._office.send(envelope)]
        caller = str(message.properties.get("reply_to") or "")
        out = [replies.reply(settlement.result, caller)] if settlement.result is not None and caller else []
        for envelope in settlement.publish:
            out += self._office.send(_for(caller, envelope))
        return out

    def _copies(self, settlement: Settlement) -> bool:
        """Whether a delivery goes back as a new copy: later, or because its queue counts how often it came back."""
        if not isinstance(settlement.delivery.message, Message):
            return False
        return settlement.delay > 0 or self._held[int(settlement.delivery.receipt)].returns >= _RETURNS

    def _end(self, session: Session, mine: dict[int, Settlement]) -> None:
        back = {
            receipt
            for receipt, settlement in mine.items()
            if settlement.action is Action.REQUEUE and not self._copies(settlement)
        }
        if back:
            self._give_back_strays(session)  # they come behind
        session.acknowledge([self._held[receipt].tag for receipt in mine if receipt not in back])
        session.give_back([self._held[receipt].tag for receipt in back])
        for receipt in mine:
            del self._held[receipt]


def _portion(session: Session, limit: int) -> int:
    """How many of a flow are handed out at once: the server sends as many meanwhile."""
    return min(limit, session.flow // 2)


def _for(caller: str, envelope: Envelope) -> Envelope:
    message = envelope.message
    properties = {**message.properties, "reply_to": caller}
    return msgspec.structs.replace(envelope, message=msgspec.structs.replace(message, properties=properties))
