"""Emptying a queue without touching what workers hold."""

from __future__ import annotations

from tq.errors import BrokerError
from tq_sqs import scan
from tq_sqs.queues import Queue
from tq_sqs.server import Server


def purge(server: Server, queue: Queue) -> int:
    """Remove what waits and what is delayed; how many.

    SQS's own request to purge also removes what is lent, and only it reaches what is delayed. So what waits is
    received and deleted; where something is delayed the request follows if nothing is lent, and else an error says
    what is left. Raises `BrokerError`.
    """
    gone = sum(scan.delete(server, queue, part) for part in scan.borrow(server, queue))
    left = scan.counts(server, queue)
    delayed, lent = left.get(scan.DELAYED, 0), left.get(scan.LENT, 0)
    if not delayed:
        return gone
    if lent:
        raise BrokerError(
            f"{gone} messages of queue {queue.name!r} at {server.shown} were removed, but {delayed} are delayed, and "
            f"SQS could remove these only together with the {lent} that workers hold; stop the workers and purge again",
            url=server.shown,
        )
    server.call(f"purge queue {queue.name!r}", "purge_queue", owner=queue.owner, QueueUrl=queue.url)
    return gone + delayed
