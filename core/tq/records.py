"""The records that travel between the layers: small, typed, immutable, without behaviour.

Every record is a `msgspec.Struct`: building one costs about 0.1 µs, and a record can be written to JSON
as it stands. Times are unix seconds, durations seconds, sizes bytes, unless a name says otherwise.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True):
    """A task message as Celery's protocol 2 sees it: headers, properties and an opaque body.

    `headers` holds routing and life-cycle facts that are readable without decoding the body, `properties`
    are AMQP's (`correlation_id`, `reply_to`, `priority`, ...). Messages of protocol 1 have no `task` header.
    Source: Celery 5.7 message protocol.
    """

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: bytes
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


class Undecodable(msgspec.Struct, frozen=True):
    """What a broker hands out for bytes that are no message: the bytes, and why they could not be read."""

    raw: bytes
    reason: str


class Lock(msgspec.Struct, frozen=True):
    """Keeps a second message out of a queue. `key` names it within the queue; `owner` is the id of the task that
    has it, for at most `seconds` from the moment the store accepts its message."""

    key: str
    owner: str
    seconds: float


# Bulk calls make thousands, in which the collector would look for cycles in vain.
class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One message on its way out.

    `priority` is 0 to 9 with 9 the most urgent, or None where nobody asked. `delay` counts from the moment
    the store accepts the message, by the store's clock. `exchange` and `routing_key` matter only to brokers
    that route; everybody else, and whoever finds neither, puts the message into `queue`. With `unique` a second
    publish of the same `headers["id"]` is a no-op on brokers with `Cap.UNIQUE`. With a `lock` that another task
    has, the message is not accepted (`Cap.LOCKS`).
    """

    message: Message
    queue: str
    priority: int | None = None
    delay: float = 0.0
    exchange: str = ""
    routing_key: str = ""
    unique: bool = False
    lock: Lock | None = None


class Queue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A queue as an app declares it. `exchange` and `routing_key` matter to brokers that route; empty: the name.

    `max_priority` and `queue_arguments` matter to brokers whose queues have to be declared (RabbitMQ).
    With `broadcast` it is no queue that workers share: each worker that reads it gets each message, through the
    fanout exchange. The core sees to that, and declares no such queue to a broker.
    """

    name: str
    exchange: str = ""
    exchange_type: str = "direct"
    routing_key: str = ""
    max_priority: int | None = None
    queue_arguments: dict[str, Any] = {}
    broadcast: bool = False


# A worker holds thousands of these two, which are part of no cycle.
class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message that a consumer holds under its lease.

    `receipt` means something to the broker alone. `attempt` is 1 for the first run and grows by one each
    time a holder died while running the message; 0 where the broker cannot count. `size` is the number of
    bytes the message took in the store. `token` is what `Broker.end_run` needs to know of it in another process.
    """

    message: Message | Undecodable
    queue: str
    receipt: int | str
    attempt: int = 1
    size: int = 0
    token: bytes = b""


class Action(enum.Enum):
    """What becomes of a delivery."""

    ACK = "ack"
    """Done: remove it."""
    REQUEUE = "requeue"
    """Not done: hand it out again, at the head of its queue, or after `delay`. Not charged as an attempt."""
    DEAD = "dead"
    """Cannot be done: move it to the dead letters with `reason`."""


class TaskMeta(msgspec.Struct, frozen=True, omit_defaults=False):
    """State and result of one task, in the shape of Celery's result document.

    `result` holds what the result serializer can write; for failures Celery's
    `{"exc_type", "exc_message", "exc_module"}`. Fields from `name` on are stored with `result_extended` only.
    Source: Celery 5.7 `Backend._get_result_meta`.
    """

    task_id: str
    status: str
    result: Any = None
    traceback: str | None = None
    children: list[Any] | None = None
    date_done: str | None = None
    group_id: str | None = None
    parent_id: str | None = None
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None
    stamps: dict[str, Any] | None = None


class GroupStart(msgspec.Struct, frozen=True):
    """A group of tasks whose ends are to be counted. `size` is the number of its members.

    `structure` says how the results nest, in Celery's form of a group result
    (`[[group id, None], [members]]`); None: they are a plain list in the order of their indexes.
    """

    group_id: str
    size: int
    structure: Any = None


class GroupPart(msgspec.Struct, frozen=True):
    """The end of one member of a group; `status` is SUCCESS, FAILURE or REVOKED."""

    group_id: str
    index: int
    task_id: str
    status: str
    result: Any = None


class GroupCount(msgspec.Struct, frozen=True):
    """What the store answers to one part. With `claimed` whoever counted it has to see to what follows the group.

    `parts` are all that ended so far, in the order of their indexes.
    """

    claimed: bool = False
    parts: tuple[GroupPart, ...] = ()
    structure: Any = None


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What to do with one delivery, and all that has to happen with it.

    The broker keeps this order, in one atomic step where the store can: `result` (only if the broker said
    that it stores results with the settlement), `publish`, then `unlock` (as `Broker.unlock` in the queue of the
    delivery) and `action`. A settlement whose lease was lost has no effect at all where the store can tell in time.
    """

    delivery: Delivery
    action: Action = Action.ACK
    delay: float = 0.0
    reason: str = ""
    publish: tuple[Envelope, ...] = ()
    result: TaskMeta | None = None
    unlock: Lock | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """Sign of life of one consumer. `running` are the receipts it was computing at that moment."""

    consumer_id: str
    running: tuple[int, ...] = ()


class Revocation(msgspec.Struct, frozen=True):
    """A task that must not run. `terminate`: end it by `signal` where it runs already.

    `task_id` may also be a text of `tq.wire.stamps.stamp_key`, which stands for all tasks with that stamp. A
    broker need not know the difference.
    """

    task_id: str
    terminate: bool = False
    signal: str = "SIGTERM"


class Channel(msgspec.Struct, frozen=True):
    """Where announcements go through to those who listen; nothing is kept for others. An exchange on the wire.

    `kind`: "fanout", everybody who listens hears all; "topic", by patterns of the routing key, in which `*` is one
    word between dots and `#` any number of them; "direct", who asked for exactly that routing key. `durable` matters
    to brokers whose exchanges have to be declared. `key` of a fanout: what kombu's listeners are bound with, which is
    part of the channel's name on Redis.
    """

    name: str
    kind: str = "fanout"
    durable: bool = False
    key: str = ""


class Notice(msgspec.Struct, frozen=True):
    """One announcement on its way out. A fanout needs no `routing_key`."""

    channel: Channel
    message: Message
    routing_key: str = ""


class Heard(msgspec.Struct, frozen=True):
    """One announcement as a subscription hands it out; `Undecodable` for bytes that are no message."""

    message: Message | Undecodable
    routing_key: str = ""


class QueueStats(msgspec.Struct, frozen=True):
    """What lies in one queue. None: the broker cannot say."""

    name: str
    ready: int
    delayed: int | None = None
    in_flight: int | None = None
    dead: int | None = None
    oldest_age: float | None = None
    consumers: int | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """One message that could not be done, and why. `id` names it for `requeue_dead` and `drop_dead`."""

    id: str
    queue: str
    reason: str
    died_at: float
    message: Message | Undecodable
    attempt: int = 0


class Severity(enum.Enum):
    """How bad a finding is."""

    ERROR = "error"
    """Tasks do not run, or may be lost."""
    WARNING = "warning"
    """Works now; somebody should look."""
    NOTE = "note"
    """Good to know; nothing is wrong."""


class Finding(msgspec.Struct, frozen=True):
    """What `tq doctor` says about one thing: `what` is there, in one sentence that names the server or queue without
    password, and `advice`, what to do."""

    severity: Severity
    what: str
    advice: str
