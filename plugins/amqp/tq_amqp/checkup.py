"""What about a RabbitMQ's set-up may lose messages or stop work, as far as AMQP lets one see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tq.records import Finding, Queue, Severity
from tq_amqp.outgoing import Outgoing
from tq_amqp.outlet import Outlet
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.failures import Refused
from tq_amqp.protocol.properties import pack_properties

OLDEST: Final = (3, 8)
WITH_STREAMS: Final = (3, 9)
MOST_QUEUES: Final = 50
_DIFFERENT, _FORBIDDEN, _NOT_FOUND = 406, 403, 404


def probe() -> Outgoing:
    """A message that leads nowhere: a server that takes no messages says so only to those who send one."""
    return Outgoing("", "tq.doctor.nowhere", pack_properties({}), b"", "", reply=True)


def blocked(shown: str, reason: str) -> Finding:
    """For a server that takes no messages."""
    return Finding(
        Severity.ERROR,
        f"RabbitMQ at {shown} takes no messages now: {reason}",
        "free memory or disk on its machine: `rabbitmq-diagnostics alarms` says which; its limits are "
        "vm_memory_high_watermark and disk_free_limit",
    )


def of_server(properties: dict[str, Any], shown: str) -> Iterator[Finding]:
    """What the server said of itself when the connection was opened."""
    if properties.get("product") != "RabbitMQ":
        return
    version = str(properties.get("version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        yield Finding(
            Severity.ERROR, f"RabbitMQ at {shown} is version {version}", "upgrade it to 3.8 or newer"
        )
    elif numbers < WITH_STREAMS:
        yield Finding(
            Severity.WARNING,
            f"RabbitMQ at {shown} is version {version}, which has no streams: deaths of workers are not counted, "
            "and revocations not kept",
            "upgrade it to 3.9 or newer",
        )


def of_queues(outlet: Outlet, queues: Sequence[Queue], shown: str, until: float) -> Iterator[Finding]:
    """Queues that are on the server in another form than the app says. Makes none that is not there."""
    for queue in queues[:MOST_QUEUES]:
        try:
            channel = outlet.wire.channel(until)
            channel.call(m.queue_declare(queue.name, passive=True), until)
            channel.call(m.queue_declare(queue.name, arguments=queue.queue_arguments), until)
            channel.close(until)
        except Refused as exc:
            if exc.code == _DIFFERENT:
                yield Finding(
                    Severity.WARNING,
                    f"queue {queue.name!r} on {shown} is used as it is, which is not as the app declares it: {exc.text}",
                    "change task_queues or queue_type to what the server has, or delete the empty queue and let it "
                    "be made again",
                )
            elif exc.code not in (_FORBIDDEN, _NOT_FOUND):
                raise
