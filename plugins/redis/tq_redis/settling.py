"""From settlements to the instructions that `lua/turn.lua` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tq.records import Action, Settlement, TaskMeta
from tq_redis.keys import QueueKeys
from tq_redis.lives import REASON, milliseconds
from tq_redis.outgoing import Outbox, Outgoing, unique_texts

Document = Callable[[TaskMeta], tuple[str, bytes]]
"""Gives key and bytes of a result."""


class Instructions:
    """Keys and arguments for one batch. `place` is the place in KEYS of the first key added here."""

    def __init__(self, queues: dict[str, int], of: Sequence[QueueKeys], place: int) -> None:
        self.keys: list[str] = []
        self.args: list[Any] = []
        self._queues = queues
        self._of = of
        self._place = place

    def write(self, batch: Sequence[Settlement], outbox: Outbox, document: Document | None) -> None:
        """Write down a batch: what only leaves in bulk, the rest one by one."""
        done: dict[int, list[Any]] = {}
        rest: list[Settlement] = []
        results: list[TaskMeta] = []
        leaves = {name: done.setdefault(queue, []).append for name, queue in self._queues.items()}
        ack = Action.ACK
        for settlement in batch:
            delivery = settlement.delivery
            leave = leaves.get(delivery.queue)
            if leave is None:
                continue
            if settlement.action is not ack or settlement.publish or settlement.unlock:
                rest.append(settlement)
                continue
            if document and settlement.result is not None:
                results.append(settlement.result)
            leave(delivery.receipt)
        if document:
            self._results(results, document)
        if rest:
            # Newest first, so that the oldest of those that go back ends at the head.
            rest.sort(key=lambda each: int(each.delivery.receipt), reverse=True)
            self._each(rest, outbox, document)
        for queue, receipts in done.items():
            if receipts:
                self.args += ("A", queue, len(receipts), *receipts)

    def _key(self, *keys: str) -> int:
        self.keys += keys
        return self._place + len(self.keys) - len(keys)

    def _results(self, results: list[TaskMeta], document: Document) -> None:
        last = {meta.task_id: meta for meta in results}
        final = [document(meta) for meta in last.values() if meta.status == "SUCCESS"]
        if final:
            place = self._key(*(key for key, _ in final))
            self.args += ("R", place, len(final), *(data for _, data in final))
        for meta in last.values():
            if meta.status != "SUCCESS":
                self.args += self._result(meta, document)

    def _result(self, meta: TaskMeta, document: Document) -> tuple[Any, ...]:
        key, data = document(meta)
        if meta.status == "SUCCESS":
            return "R", self._key(key), 1, data
        return "K", self._key(key), data

    def _each(self, batch: list[Settlement], outbox: Outbox, document: Document | None) -> None:
        texts = iter(unique_texts(sum(len(settlement.publish) for settlement in batch)))
        for settlement in batch:
            steps: list[Any] = []
            if document and settlement.result:
                steps += self._result(settlement.result, document)
            for envelope in settlement.publish:
                steps += self._publish(outbox.prepare(envelope), next(texts))
            queue, receipt = self._queues[settlement.delivery.queue], settlement.delivery.receipt
            if settlement.unlock is not None:
                lock = settlement.unlock
                steps += ("O", self._key(self._of[queue].lock(lock.key)), lock.owner)
            steps += self._leave(settlement, queue, receipt)
            self.args += ("H", queue, receipt, len(steps), *steps)

    def _publish(self, out: Outgoing, text: str) -> list[Any]:
        if out.delay_ms:
            place = self._key(out.keys.delayed)
            steps = ["D", place, out.wake, out.delay_ms, out.code, text, out.data]
        else:
            steps = ["P", self._key(out.keys.lists[out.code]), out.wake, out.data]
        if out.mark:
            place = self._key(out.mark)
            steps = ["U", place, len(steps) + 2, *steps, "M", place]
        if out.lock is not None:
            place, live = self._key(out.keys.lock(out.lock.key)), milliseconds(out.lock.seconds)
            steps = ["N", place, out.lock.owner, live, len(steps), *steps]
        return steps

    def _leave(self, settlement: Settlement, queue: int, receipt: int | str) -> tuple[Any, ...]:
        keys = self._of[queue]
        if settlement.action is Action.ACK:
            return "X", queue, receipt
        if settlement.action is Action.DEAD:
            reason = settlement.reason.encode("utf-8", "replace")[:REASON]
            return "T", queue, receipt, reason, self._key(keys.dead, keys.buried)
        if settlement.delay > 0:
            delay_ms = max(1, round(settlement.delay * 1000))
            return "Z", queue, receipt, keys.wake if delay_ms < 1000 else "", delay_ms
        return "Q", queue, receipt, keys.wake
