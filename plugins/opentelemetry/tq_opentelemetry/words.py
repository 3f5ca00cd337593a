"""Names of attributes. Source: OpenTelemetry semantic conventions for messaging, 1.27."""

from __future__ import annotations

from typing import Any, Final

SYSTEM: Final = "messaging.system"
DESTINATION: Final = "messaging.destination.name"
OPERATION: Final = "messaging.operation.name"
KIND: Final = "messaging.operation.type"
MESSAGE_ID: Final = "messaging.message.id"
CONVERSATION: Final = "messaging.message.conversation_id"
BODY_SIZE: Final = "messaging.message.body.size"
ERROR: Final = "error.type"
TASK: Final = "tq.task.name"
STATE: Final = "tq.task.state"
RETRIES: Final = "tq.task.retries"
ATTEMPT: Final = "tq.task.attempt"
GROUP: Final = "tq.task.group_id"

LINKS: Final = "tq_trace_links"
"""Header of a message: the contexts of the tasks that it follows, as `traceparent` text."""
MOST_LINKS: Final = 128


def attributes(operation: str, queue: str, headers: Any) -> dict[str, Any]:
    """What is known of a message wherever it is."""
    found = {
        SYSTEM: "tq",
        OPERATION: operation,
        KIND: operation,
        DESTINATION: queue,
        MESSAGE_ID: headers.get("id"),
        CONVERSATION: headers.get("root_id"),
        TASK: headers.get("task"),
        GROUP: headers.get("group"),
    }
    return {name: value for name, value in found.items() if isinstance(value, str)}
