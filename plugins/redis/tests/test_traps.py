"""Faults that were seen in other queues on Redis, each provoked on purpose."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tq.errors import BrokerError, LeaseLost
from tq.records import Action, Message, Settlement
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle, task_id
from tq_redis.consumer import RedisConsumer
from tq_redis.scripts import REAP, TURN
from tq_redis.turns import BATCH_BYTES


def held(raw: Any, queue: str, consumer_id: str) -> int:
    """How many messages the store says that a consumer holds."""
    return int(raw.hlen(f"tq:{{{queue}}}:inflight:{consumer_id}"))


def request_of(consumer: Any, number: int, limit: int, batch: Any = ()) -> tuple[list[str], list[Any]]:
    """Keys and arguments of a turn, as the consumer sends them."""
    assert isinstance(consumer, RedisConsumer)
    keys, args = consumer._turns._request(batch, number, limit)
    return keys, args


def run_turn(raw: Any, keys: list[str], args: list[Any]) -> Any:
    """Send a turn as another connection: one that its sender no longer listens to."""
    return raw.execute_command("EVAL", TURN._text, len(keys), *keys, *args)


def test_a_fetch_of_thousands_moves_each_message_once(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    sent = names(9000, "t")
    kit.send(broker, "many", *sent)
    consumer = kit.consumer(broker, "many")
    first = list(consumer.receive(8000, 0))
    assert held(raw, "many", consumer.id) == len(first) > 500
    assert len(first) + raw.llen("many") == 9000
    taken = ids(first)
    while batch := consumer.receive(8000, 0):
        taken += ids(batch)
    assert taken == sent


def test_a_script_that_fails_on_recording_has_removed_nothing(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    sent = names(20)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    raw.set(f"tq:{{q}}:inflight:{consumer.id}", "in the way")
    with pytest.raises(BrokerError, match="something else under one of tq's keys"):
        consumer.receive(10, 0)
    assert raw.llen("q") == 20
    raw.delete(f"tq:{{q}}:inflight:{consumer.id}")
    assert ids(kit.take(consumer, 20)) == sent


def test_a_follow_up_that_cannot_be_pushed_leaves_its_message_lent(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "good", "bad")
    raw.set("blocked", "no list")
    consumer = kit.consumer(broker, "q")
    good, bad = kit.take(consumer, 2)
    batch = [Settlement(bad, publish=(envelope("blocked", "next"),)), Settlement(good)]
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        consumer.settle(batch)
    assert held(raw, "q", consumer.id) == 1
    raw.delete("blocked")
    assert list(consumer.settle(batch)) == [True, True]
    assert held(raw, "q", consumer.id) == 0
    assert raw.llen("blocked") == 1


def test_a_request_of_a_dead_consumer_lends_nothing(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    sent = names(5)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    kit.take(consumer, 2)
    late = request_of(consumer, 1000, 10)
    broker.release(consumer.id)
    assert run_turn(raw, *late) == [-1]
    assert held(raw, "q", consumer.id) == 0
    with pytest.raises(LeaseLost):
        consumer.receive(1, 0)
    assert ids(kit.take(kit.consumer(broker, "q"), 5)) == sent


def test_a_dead_consumer_hands_out_nothing_that_it_kept_back(kit: BrokerKit) -> None:
    broker = kit.broker()
    kit.send(broker, "q", *names(10))
    consumer = kit.consumer(broker, "q")
    first = kit.take(consumer, 1)
    consumer._found = list(kit.take(consumer, 3))  # type: ignore[attr-defined]
    broker.release(consumer.id)
    assert settle(consumer, first) == [False]
    with pytest.raises(LeaseLost):
        consumer.receive(3, 0)


def test_the_id_of_a_dead_consumer_is_never_taken_again(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    consumer.close()
    with pytest.raises(BrokerError, match="used before"):
        broker.consumer(["q"], consumer.id, lease=10)
    # A late request of its former owner must not make the mark of the id stay for ever.
    run_turn(raw, *request_of(consumer, 1000, 10))
    assert raw.ttl(f"tq:consumer:{consumer.id}") > 0


def test_a_turn_that_comes_twice_has_one_effect(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", *names(10))
    consumer = kit.consumer(broker, "q")
    first = kit.take(consumer, 2)
    batch = [
        Settlement(first[0], publish=(envelope("other", "follow-up"),)),
        Settlement(first[1], Action.REQUEUE, delay=60),
    ]
    turn = request_of(consumer, 500, 3, batch)
    assert run_turn(raw, *turn)[0] == 1
    assert run_turn(raw, *turn)[0] == 0
    assert held(raw, "q", consumer.id) == 3
    assert (raw.llen("q"), raw.llen("other"), raw.zcard("tq:{q}:delayed")) == (5, 1, 1)


def test_a_fetch_is_bounded_in_bytes(kit: BrokerKit) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    kit.publish(broker, [envelope("q", f"{i}", body=b"x" * 75_000) for i in range(20)])
    taken = consumer.receive(20, 0)
    assert 1 <= len(taken) <= 3
    assert sum(delivery.size for delivery in taken) <= BATCH_BYTES


def test_a_message_larger_than_a_batch_comes_alone(kit: BrokerKit) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    kit.publish(broker, [envelope("q", f"{i}", body=b"x" * 2 * BATCH_BYTES) for i in range(2)])
    assert [ids(kit.take(consumer, 1)) for _ in range(2)] == [["0"], ["1"]]


def test_no_script_rewrites_a_message(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    original = (
        b'{"body": "W10=", "headers": {"id": "a", "task": "t", "empty": [], "none": {}, "one": 1.0, '
        b'"big": 12345678901234567890, "u": "\\u00e9\xc3\xa9"}, '
        b'"properties": {"body_encoding": "base64", "delivery_tag": "d"}}'
    )
    garbage = b"\x00tq9\x00 no message \xff\r\n"
    raw.lpush("q", original, garbage)
    for _ in range(2):
        consumer = kit.consumer(broker, "q")
        taken = kit.take(consumer, 2)
        settle(consumer, taken[:1], Action.REQUEUE, delay=0.01)
        settle(consumer, taken[1:], Action.DEAD, reason="sum {}\n of [] %d")
        kit.eventually(lambda: broker.maintain(["q"]) or raw.llen("q") == 1, "promotion")
        (letter,) = broker.dead_letters("q")
        assert (letter.reason, letter.attempt) == ("sum {}\n of [] %d", 1)
        assert broker.requeue_dead("q", [letter.id]) == 1
        kit.take(consumer, 2)
        consumer.close()
    assert sorted(raw.lrange("q", 0, -1)) == sorted([original, garbage])


def test_urgent_messages_hold_up_the_others_only_for_a_while(kit: BrokerKit) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "plain")
    kit.send(broker, "q", *names(200), priority=9)
    consumer = kit.consumer(broker, "q")
    order = [task_id(kit.take(consumer, 1)[0]) for _ in range(70)]
    assert "plain" not in order[:60]
    assert "plain" in order


def test_no_queue_of_a_consumer_starves(kit: BrokerKit) -> None:
    broker = kit.broker()
    kit.send(broker, "first", *names(200))
    kit.send(broker, "second", "waits")
    consumer = kit.consumer(broker, "first", "second")
    order = [task_id(kit.take(consumer, 1)[0]) for _ in range(140)]
    assert "waits" not in order[:60]
    assert "waits" in order


def test_a_large_holding_goes_back_in_slices_and_in_order(kit: BrokerKit) -> None:
    broker = kit.broker()
    sent = names(1000, "t")
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 1000)
    running = taken[400]
    broker.release(consumer.id, running=[int(running.receipt)])
    back = kit.take(kit.consumer(broker, "q"), 1000)
    assert ids(back[:1]) == ids([running])
    assert ids(back[1:]) == sent[:400] + sent[401:]
    assert [d.attempt for d in back[:2]] == [2, 1]


def test_many_reapers_at_once_move_each_message_once(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    sent = names(600, "t")
    kit.send(broker, "q", *sent)
    for _ in range(3):
        kit.take(kit.consumer(broker, "q", lease=0.05), 200)
    raw.execute_command("PING")
    brokers = [kit.broker() for _ in range(4)]
    done = threading.Event()

    def reap(each: Any) -> None:
        while not done.is_set():
            each.maintain(["q"])

    threads = [threading.Thread(target=reap, args=[each]) for each in brokers]
    for thread in threads:
        thread.start()
    try:
        kit.eventually(lambda: raw.zcard("tq:{q}:consumers") == 0, "all three are reaped")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert sorted(ids(kit.take(kit.consumer(broker, "q"), 600))) == sent
    assert raw.llen("q") == 0


def test_what_was_decided_first_holds_when_another_goes_on(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", *names(300))
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 300)
    oldest = int(taken[0].receipt)
    # The first reaper dies after one slice; the second knows nothing of what was running.
    keys = broker._layout.queue("q")  # type: ignore[attr-defined]
    first = [f"tq:consumer:{consumer.id}", keys.consumers, keys.inflight(consumer.id), keys.dead, keys.buried]
    args = [consumer.id, 1, -1, "dead", "killed", 3, str(oldest), 100, keys.wake]
    raw.execute_command("EVAL", REAP._text, 26, *first, *keys.lists, *args)
    buried = broker.release(consumer.id)
    assert [d.receipt for d in buried] == [oldest]
    assert [letter.reason for letter in broker.dead_letters("q")] == ["killed"]


def test_purge_frees_large_lists_in_the_background(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", *names(300))
    raw.config_resetstat()
    assert broker.purge("q") == 300
    calls = raw.info("commandstats")
    assert "cmdstat_unlink" in calls
    assert "cmdstat_del" not in calls


def test_a_delivery_of_garbage_is_no_wrapped_message(kit: BrokerKit, raw: Any) -> None:
    raw.lpush("q", b"\x00tq7\x00{}")
    consumer = kit.consumer(kit.broker(), "q")
    (delivery,) = kit.take(consumer, 1)
    assert delivery.attempt == 1
    assert not isinstance(delivery.message, Message)
