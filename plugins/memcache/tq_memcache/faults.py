"""From what pymemcache raises to sentences: what failed, on which URL, why, and the next step."""

from __future__ import annotations

from pymemcache.exceptions import (
    MemcacheError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownCommandError,
    MemcacheUnknownError,
)

from tq.errors import BackendError, BackendUnavailable

FAULTS = (MemcacheError, OSError)
"""What a command may raise."""
TOO_LARGE = "object too large"


def gone(error: BaseException) -> bool:
    """Whether the connection is gone, as after a restart of the server."""
    return isinstance(error, (ConnectionError, MemcacheUnexpectedCloseError))


def said(error: BaseException) -> str:
    """The server's own words."""
    first = error.args[0] if error.args else ""
    text = first.decode(errors="replace") if isinstance(first, bytes) else str(error)
    return text or type(error).__name__


def explain(error: BaseException, url: str, place: str, doing: str) -> BackendError:
    """The error to raise; `url` is masked already."""
    text, where = said(error), f"cannot {doing}: memcached at {url} (server {place})"
    if isinstance(error, (OSError, MemcacheUnexpectedCloseError)):
        reason = "the connection was closed" if isinstance(error, MemcacheUnexpectedCloseError) else text
        return BackendUnavailable(
            f"cannot {doing}: no connection to memcached at {url} (server {place}): {reason}; "
            "check that the server runs there and can be reached",
            url=url,
        )
    # The second is the answer to whoever begins with a write: it is taken for the login.
    if "unauthenticated" in text or "bad authentication token" in text:
        advice = "asks for a password; write it into the URL as memcache://user:password@host"
        return BackendError(f"{where} {advice} ({text})", url=url)
    if "authentication failure" in text:
        return BackendError(f"{where} does not accept this user and password; check both ({text})", url=url)
    if isinstance(error, MemcacheServerError) and TOO_LARGE not in text:
        return BackendUnavailable(f"{where} cannot do it now; raise its memory (-m) ({text})", url=url)
    if isinstance(error, (MemcacheUnknownCommandError, MemcacheUnknownError)):
        return BackendError(f"{where} is too old, or is no memcached; 1.4.8 is needed ({text})", url=url)
    return BackendError(f"{where} refused; read what the server says ({text})", url=url)
