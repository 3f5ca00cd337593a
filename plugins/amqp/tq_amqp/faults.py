"""From what went wrong below to sentences: what failed, on which URL, why, and the next step."""

from __future__ import annotations

from tq.errors import BackendError, BackendUnavailable, BrokerError, BrokerUnavailable
from tq.options import mask_url
from tq_amqp.protocol.failures import Down, Refused

_NEXT = {
    403: "check user, password and the user's permissions (rabbitmqctl list_permissions)",
    404: "check that it was declared, in task_queues or on the server",
    405: "it belongs to another connection alone",
    406: "see the server's log",
    505: "check host and port: AMQP 0-9-1 is at 5672, with TLS (amqps://) at 5671",
    530: "check the virtual host at the end of the URL, and the user's permissions there",
}
_ENDED = frozenset({320, 541})
"""CONNECTION_FORCED and INTERNAL_ERROR: a server that stops or fails ends connections so, whatever was asked of it."""
_TIMED_OUT = "delivery acknowledgement"
_TOO_LONG = (
    "a task ran for longer than RabbitMQ's consumer_timeout, so the server gave its message, and all else that this "
    "consumer held, to others; raise consumer_timeout in rabbitmq.conf or x-consumer-timeout of the queue"
)


class Server:
    """Names the server in errors."""

    def __init__(self, url: str) -> None:
        self.shown = mask_url(url)

    def __repr__(self) -> str:
        return f"Server({self.shown!r})"

    def broker_error(self, exc: Down | Refused, doing: str, *, in_doubt: bool = False) -> BrokerError:
        """The error of a broker that could not do `doing`."""
        text = f"cannot {doing} on {self.shown}: {self.reason(exc)}"
        if not _is_outage(exc):
            return BrokerError(text, url=self.shown)
        error = BrokerUnavailable(text, url=self.shown)
        error.in_doubt = in_doubt
        return error

    def backend_error(self, exc: Down | Refused, doing: str) -> BackendError:
        """The error of a result backend that could not do `doing`."""
        kind = BackendUnavailable if _is_outage(exc) else BackendError
        return kind(f"cannot {doing} on {self.shown}: {self.reason(exc)}", url=self.shown)

    def reason(self, exc: Down | Refused) -> str:
        """What the server said, and what to do."""
        if isinstance(exc, Down):
            advice = "is RabbitMQ running, and are host and port right?" if not exc.sent else ""
            return f"{exc}; {advice}" if advice else str(exc)
        if exc.code == 406 and _TIMED_OUT in exc.text:
            return _TOO_LONG
        advice = _NEXT.get(exc.code, "see the server's log")
        return f"the server refused: {exc.text}; {advice}"


def _is_outage(exc: Down | Refused) -> bool:
    return isinstance(exc, Down) or exc.code in _ENDED
