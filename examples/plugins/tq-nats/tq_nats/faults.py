"""What went wrong, in the words of tq."""

from __future__ import annotations

import nats.errors
from tq.errors import BrokerError, BrokerUnavailable

EXPECTED = (nats.errors.Error, OSError, TimeoutError)
"""What nats-py raises where the server or the way to it is at fault."""


class Refusal(nats.errors.Error):
    """JetStream's answer to a request it does not fulfil."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    def __str__(self) -> str:
        return self.description


def explain(what: str, error: Exception, shown: str) -> BrokerError:
    """The same as an error of tq's: what failed, where, and what to do. `shown` is the URL without password."""
    words = str(error).lower()
    if isinstance(error, BrokerError):
        return error
    if isinstance(error, Refusal):
        return BrokerError(f"JetStream at {shown} refused to {what}: {error}", url=shown)
    if "permissions violation" in words:
        return BrokerError(
            f"the user of {shown} may not {what}: {error}; see the permissions in the README of tq-nats",
            url=shown,
        )
    if isinstance(error, nats.errors.AuthorizationError) or "authorization" in words:
        return BrokerError(
            f"NATS at {shown} refused the login: check user, password, token or credentials", url=shown
        )
    if isinstance(error, nats.errors.NoRespondersError):
        return BrokerUnavailable(
            f"nobody answers for JetStream at {shown} (to {what}): start the server with -js, and see that the "
            "account may use it",
            url=shown,
        )
    reason = "it does not answer in time" if isinstance(error, TimeoutError) else str(error) or repr(error)
    unavailable = BrokerUnavailable(
        f"cannot {what} on NATS at {shown}: {reason}; is the server running, and the port right?", url=shown
    )
    unavailable.in_doubt = isinstance(error, TimeoutError | nats.errors.ConnectionClosedError)
    return unavailable
