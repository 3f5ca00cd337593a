"""The link on a broker that does what a script says: what is tried again, what is dropped, and in which order."""

from __future__ import annotations

import itertools
import time

import msgspec
import pytest

from core.tests.worker.script import (
    BreakingBackend,
    ScriptedBroker,
    deliveries,
    number_of,
    numbers,
    settled,
    stores,
)
from tq import states
from tq.contracts.broker import Cap
from tq.contracts.pool import StopMode
from tq.errors import (
    BackendError,
    BackendUnavailable,
    BrokerError,
    BrokerUnavailable,
    EncodeError,
    LeaseLost,
    PublishError,
)
from tq.options import mask_url
from tq.records import Action, Envelope, Message, TaskMeta
from tq.worker import link as module
from tq.worker.link import Link

GONE = BrokerUnavailable("gone")
NOTE = Envelope(Message({"id": "n"}, {}, b"[]"), "next")


@pytest.fixture(autouse=True)
def quick_reconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "reconnect_delays", lambda **_: itertools.repeat(0.001))
    monkeypatch.setattr(module, "_PAUSE", 0.001)


@pytest.fixture
def broker() -> ScriptedBroker:
    return ScriptedBroker()


@pytest.fixture
def backend() -> BreakingBackend:
    return BreakingBackend()


@pytest.fixture
def told() -> list[str]:
    """The ids of consumers that the supervisor was told of."""
    return []


@pytest.fixture
def link(broker: ScriptedBroker, backend: BreakingBackend, told: list[str]) -> Link:
    return Link(stores(broker, backend), told.append)


def success(number: int) -> TaskMeta:
    return TaskMeta(f"t-{number}", states.SUCCESS, result=number)


# -- late answers --------------------------------------------------------------------------------------------


def stalls(monkeypatch: pytest.MonkeyPatch, broker: ScriptedBroker, seconds: float) -> None:
    broker.takes = seconds
    monkeypatch.setattr(time, "monotonic", lambda: broker.now)


def test_what_was_lent_long_ago_is_handed_back_and_not_started(
    broker: ScriptedBroker, link: Link, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stalls(monkeypatch, broker, 18.1)
    broker.turns = [deliveries(1, 2)]
    assert link.turn([settled(7)], 10, 5.0) == ()
    (consumer,) = broker.consumers
    assert [(number_of(each), each.action) for each in consumer.settled] == [
        (7, Action.ACK),
        (1, Action.REQUEUE),
        (2, Action.REQUEUE),
    ]
    assert "2 messages are handed back" in caplog.text
    assert "s3cret" not in caplog.text


def test_what_was_lent_lately_is_started(
    broker: ScriptedBroker, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls(monkeypatch, broker, 17.9)
    broker.turns = [deliveries(1, 2)]
    assert link.turn((), 10, 5.0) == deliveries(1, 2)


def test_a_broker_that_is_always_slow_is_asked_what_is_still_held(
    broker: ScriptedBroker, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls(monkeypatch, broker, 18.1)
    first, *others = [msgspec.structs.replace(each, receipt=n) for n, each in enumerate(deliveries(1, 2, 3))]
    broker.turns = [[first], others, others]
    broker.holds = GONE
    assert link.turn((), 10, 5.0) == ()
    assert link.turn((), 10, 5.0) == ()
    broker.holds = others[:1]
    assert link.turn((), 10, 5.0) == others[:1]
    (consumer,) = broker.consumers
    assert numbers(consumer.settled) == [1, 2, 3]


@pytest.mark.parametrize("error", [LeaseLost("lost"), GONE])
def test_a_consumer_that_cannot_hand_back_is_given_up_with_all_it_holds(
    broker: ScriptedBroker, link: Link, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    stalls(monkeypatch, broker, 60.0)
    broker.turns = [deliveries(1), deliveries(2)]
    broker.refused[1] = error
    assert link.turn((), 10, 5.0) == ()
    broker.takes = 0.0
    assert link.turn((), 10, 5.0) == deliveries(2)
    assert len(broker.consumers) == 2
    assert link.generation == 2


# -- outages -------------------------------------------------------------------------------------------------


def test_after_an_outage_the_same_batch_is_passed_again(
    broker: ScriptedBroker, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    broker.turns = [GONE, GONE, deliveries(5)]
    assert link.turn([settled(1), settled(2)], 10, 0.0) == deliveries(5)
    (consumer,) = broker.consumers
    assert [numbers(batch) for batch in consumer.turns] == [[1, 2]] * 3
    assert f"connected to {mask_url(broker.url)} again" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_consumer_that_cannot_be_made_is_made_later_under_an_id_told_before(
    broker: ScriptedBroker, link: Link, told: list[str]
) -> None:
    broker.opens = [GONE, None]
    broker.turns = [deliveries(1)]
    assert link.turn((), 10, 0.0) == deliveries(1)
    assert told[-1] == broker.consumers[0].id
    assert len(told) == len(set(told)) == 2


@pytest.mark.parametrize(("mode", "keeps_trying"), [(StopMode.WARM, True), (StopMode.COLD, False)])
def test_a_stop_gives_up_what_it_can(
    broker: ScriptedBroker, link: Link, mode: StopMode, keeps_trying: bool
) -> None:
    link.stop(mode)
    broker.turns = [GONE]
    assert link.turn((), 10, 5.0) == ()
    broker.turns = [GONE, ()]
    link.turn([settled(1)], 0, 0.0)
    (consumer,) = broker.consumers
    assert numbers(consumer.settled) == ([1] if keeps_trying else [])
    assert set(consumer.waits) == {0.0}, "who stops does not wait for messages"


def test_a_lost_lease_drops_what_was_done_and_goes_on_with_a_new_consumer(
    broker: ScriptedBroker, link: Link, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    broker.turns = [deliveries(1), LeaseLost("too late"), deliveries(1)]
    link.turn((), 1, 0.0)
    assert link.generation == 1
    assert link.turn([settled(1)], 1, 0.0) == deliveries(1)
    first, second = broker.consumers
    assert (first.settled, second.settled) == ([], [])
    assert (link.generation, told) == (2, [first.id, second.id])
    assert "1 finished deliveries were given to others" in caplog.text


def test_a_settlement_that_came_too_late_is_told(
    broker: ScriptedBroker, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    broker.late = {2}
    link.turn([settled(1), settled(2)], 1, 0.0)
    assert "1 of 2 settlements came too late" in caplog.text


def test_settle_fails_at_once_and_does_nothing_without_a_consumer(broker: ScriptedBroker, link: Link) -> None:
    assert link.settle([settled(1), settled(2)]) == [False, False]
    link.turn((), 1, 0.0)
    broker.refused = {1: GONE}
    with pytest.raises(BrokerUnavailable):
        link.settle([settled(1)])
    assert list(link.settle([settled(2)])) == [True]


def test_close_ends_the_consumer_once(broker: ScriptedBroker, link: Link) -> None:
    link.turn((), 1, 0.0)
    link.close()
    link.close()
    link.interrupt()
    link.stop(StopMode.COLD)
    assert broker.consumers[0].ended == 1


# -- what cannot be written ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [PublishError("too large"), EncodeError("no form"), BackendError("no room")]
)
def test_one_settlement_that_cannot_be_written_is_buried_and_its_neighbours_are_settled(
    broker: ScriptedBroker, backend: BreakingBackend, link: Link, error: Exception
) -> None:
    broker.refused = {2: error}
    batch = [settled(1, result=success(1)), settled(2, publish=(NOTE,), result=success(2)), settled(3)]
    broker.turns = [(), deliveries(9)]
    assert link.turn(batch, 10, 0.0) == deliveries(9)
    (consumer,) = broker.consumers
    assert numbers(consumer.settled) == [1, 3, 2]
    buried = consumer.settled[-1]
    assert (buried.action, buried.publish) == (Action.DEAD, ())
    assert buried.reason == f"what the task left cannot be written: {error}"
    # Its SUCCESS was stored before, in another store, and stands.
    assert {i: meta.status for i, meta in backend.get(["t-1", "t-2"]).items()} == {
        "t-1": states.SUCCESS,
        "t-2": states.SUCCESS,
    }


def test_an_outage_while_they_are_settled_one_by_one_loses_none(broker: ScriptedBroker, link: Link) -> None:
    broker.refused = {2: PublishError("too large")}
    broker.outages = [1, 3]
    link.turn([settled(1), settled(2), settled(3)], 10, 0.0)
    (consumer,) = broker.consumers
    assert set(numbers(consumer.settled)) == {1, 2, 3}
    assert broker.outages == []
    assert [s.action for s in consumer.settled if numbers([s]) == [2]] == [Action.DEAD]


# -- results -------------------------------------------------------------------------------------------------


def test_results_are_stored_before_the_settlement_however_long_that_takes(
    broker: ScriptedBroker, backend: BreakingBackend, link: Link
) -> None:
    backend.script = [BackendUnavailable("away"), BackendUnavailable("away"), None]
    link.turn([settled(1, result=success(1)), settled(2)], 1, 0.0)
    assert backend.calls == [["t-1"]] * 3
    assert numbers(broker.consumers[0].settled) == [1, 2]


def test_a_result_that_cannot_be_stored_is_a_failure_that_says_so_and_spoils_no_other(
    backend: BreakingBackend, link: Link
) -> None:
    backend.script = [EncodeError("no form"), None, EncodeError("no form"), None]
    link.turn([settled(number, result=success(number)) for number in (1, 2)], 1, 0.0)
    found = backend.get(["t-1", "t-2"])
    assert [found[i].status for i in ("t-1", "t-2")] == [states.SUCCESS, states.FAILURE]
    assert found["t-2"].result["exc_type"] == "EncodeError"


def test_a_failure_that_cannot_be_stored_is_told_and_left(
    broker: ScriptedBroker, backend: BreakingBackend, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    backend.script = [BackendError("never")] * 2
    link.turn([settled(1, result=success(1))], 1, 0.0)
    assert "the failure of task t-1 cannot be stored: never" in caplog.text
    assert numbers(broker.consumers[0].settled) == [1]


def test_a_broker_that_stores_results_itself_is_left_to_do_so(
    broker: ScriptedBroker, backend: BreakingBackend
) -> None:
    broker.joined = backend
    link = Link(stores(broker, backend), lambda _: None)
    link.turn([settled(1, result=success(1))], 1, 0.0)
    link.settle([settled(2, result=success(2))])
    assert backend.calls == []
    assert [s.result for s in broker.consumers[0].settled] == [success(1), success(2)]


def test_a_cold_stop_does_not_wait_for_the_backend(
    backend: BreakingBackend, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    link.stop(StopMode.COLD)
    backend.script = [BackendUnavailable("away")] * 100
    link.turn([settled(1, result=success(1))], 1, 0.0)
    assert len(backend.calls) == 1
    assert "the results of 1 tasks were not stored" in caplog.text


def test_states_that_nothing_depends_on_are_tried_once(
    backend: BreakingBackend, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    backend.script = [BackendUnavailable("away")]
    link.store(TaskMeta("t-1", states.STARTED))
    link.store(TaskMeta("t-2", states.STARTED))
    assert "could not store STARTED of task t-1: away" in caplog.text
    assert list(backend.get(["t-1", "t-2"])) == ["t-2"]


# -- what was acknowledged before it ran -----------------------------------------------------------------------


def test_follow_ups_are_sent_until_the_broker_takes_them(
    broker: ScriptedBroker, backend: BreakingBackend, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    broker.publishes = [GONE, GONE, [None, PublishError("too large")]]
    link.effects(settled(1, publish=(NOTE, NOTE), result=success(1)))
    assert backend.get(["t-1"])["t-1"].status == states.SUCCESS
    assert broker.published == [NOTE]
    assert "a follow-up message was refused: too large" in caplog.text


def test_a_cold_stop_does_not_wait_to_send_them(broker: ScriptedBroker, link: Link) -> None:
    link.stop(StopMode.COLD)
    broker.publishes = [GONE] * 100
    link.effects(settled(1, publish=(NOTE,)))
    assert len(broker.publishes) == 99


# -- delays that the broker does not keep ----------------------------------------------------------------------


def test_what_is_due_later_stays_with_the_consumer_until_then() -> None:
    broker = ScriptedBroker(Cap.NONE)
    link = Link(stores(broker), lambda _: None)
    assert link.beats_itself
    parked = [settled(number, Action.REQUEUE, delay=0.05) for number in (1, 2)]
    broker.turns = [deliveries(7), deliveries(8)]
    assert link.turn([*parked, settled(3)], 10, 5.0) == deliveries(7)
    (consumer,) = broker.consumers
    assert numbers(consumer.settled) == [3]
    assert consumer.waits[-1] <= 0.05, "it would have slept past the moment"
    time.sleep(0.06)
    assert link.turn((), 1, 5.0) == deliveries(1, 8)
    assert link.turn((), 1, 5.0) == deliveries(2)
    assert numbers(consumer.settled) == [3]
    link.turn((), 1, 5.0)
    assert consumer.waits[-1] == 5.0


def test_settle_keeps_them_too_and_a_lost_lease_forgets_them() -> None:
    broker = ScriptedBroker(Cap.NONE)
    link = Link(stores(broker), lambda _: None)
    link.turn((), 1, 0.0)
    assert link.settle([settled(1, Action.REQUEUE, delay=0.01)]) == []
    assert numbers(broker.consumers[0].settled) == []
    broker.turns = [LeaseLost("too late"), deliveries(4)]
    time.sleep(0.02)
    assert link.turn((), 5, 0.0) == deliveries(4), "what others got came back from the old consumer"


def test_a_broker_that_keeps_delays_gets_them(broker: ScriptedBroker, link: Link) -> None:
    link.turn([settled(1, Action.REQUEUE, delay=60.0)], 1, 0.0)
    assert [s.delay for s in broker.consumers[0].settled] == [60.0]


def test_errors_that_are_no_outage_are_tried_again_too(broker: ScriptedBroker, link: Link) -> None:
    broker.turns = [BrokerError("refused"), deliveries(1)]
    assert link.turn((), 1, 0.0) == deliveries(1)
