"""What is kept of workflows besides results, for `app.workflow` and `tq workflow`."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tq.canvas.flow import Flow, Side
from tq.canvas.record import write_record
from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendError, InvalidTask, SerializationError
from tq.records import Delivery, Envelope, Message, Undecodable
from tq.wire.call import TaskCall
from tq.wire.envelope import PARKED
from tq.worker.follow import NOTHING, FollowUp, Note, note_key

if TYPE_CHECKING:
    from tq.app.app import TQ

logger = logging.getLogger("tq.client")

AGAIN = "tq_again"
"""The header that counts how often a task was run anew after its failure."""
_PAST = frozenset({"redelivered", "x-death", "x-delivery-count", "x-acquired-count"})


def keeper(app: TQ) -> ResultBackend | None:
    """The store that keeps notes, None where none does."""
    backend = app.backend
    if backend is None or BackendCap.GROUPS not in backend.capabilities or not app.conf.result_workflows:
        return None
    return backend


def keep_flow(app: TQ, flow: Flow) -> None:
    """Keep the tree of what was sent. That this fails is no reason not to go on: the workflow is under way."""
    backend = keeper(app)
    if backend is None or (len(flow) == 1 and not isinstance(flow[0], Side)):
        return
    try:
        backend.save_group(note_key("workflow", id_of(flow)), write_record(flow))
    except (BackendError, SerializationError) as exc:
        logger.warning(
            "the tree of workflow %s is not kept, so `tq workflow` will not show it: %s", id_of(flow), exc
        )


def id_of(flow: Flow) -> str:
    """The id of a flow's result."""
    last = flow[-1]
    return str((last.id if isinstance(last, Side) else last["options"]["task_id"]) or "")


def of_replacement(app: TQ, call: TaskCall, flow: Flow) -> list[Note]:
    """The tree of what takes a task's place."""
    return [Note("replaced", call.id, write_record(flow))] if keeper(app) is not None else []


def of_failure(app: TQ, call: TaskCall, delivery: Delivery) -> FollowUp:
    """The message of a task that failed, where it is part of something."""
    message = delivery.message
    belongs = call.chain or call.group or call.root_id not in (None, call.id)
    if not belongs or isinstance(message, Undecodable) or keeper(app) is None:
        return NOTHING
    return FollowUp(notes=(Note("failed", call.id, _written(message, delivery.queue)),))


def line_of(call: TaskCall) -> str:
    """What ids of messages that follow a run depend on: another one for each try, and for each time that it was run
    anew."""
    again = call.headers.get(AGAIN)
    return f"{call.id}:{call.retries}:{again}" if again else f"{call.id}:{call.retries}"


def _written(message: Message, queue: str) -> dict[str, Any]:
    return {
        "queue": queue,
        "headers": message.headers,
        "properties": message.properties,
        "body": base64.b64encode(message.body).decode("ascii"),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
    }


def anew(kept: Any) -> Envelope:
    """The message of a task that failed, to be run anew: with all its retries, and never too late.

    Raises `InvalidTask` for what is none.
    """
    try:
        headers = {name: value for name, value in kept["headers"].items() if name not in _PAST}
        properties = {n: v for n, v in kept["properties"].items() if n not in (PARKED, "expiration")}
        headers |= {"retries": 0, "eta": None, "expires": None, AGAIN: int(headers.get(AGAIN) or 0) + 1}
        body = base64.b64decode(kept["body"])
        message = Message(headers, properties, body, kept["content_type"], kept["content_encoding"])
        return Envelope(message, kept["queue"], _priority(properties))
    except (TypeError, KeyError, ValueError, AttributeError) as exc:
        raise InvalidTask(f"the message that was kept of a failed task cannot be read: {exc!r}") from exc


def _priority(properties: Mapping[str, Any]) -> int | None:
    priority = properties.get("priority")
    return priority if isinstance(priority, int) and priority else None
