"""From what pymongo raises to sentences: what failed, on which URL, why, and the next step."""

from __future__ import annotations

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    InvalidName,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

UNWRITABLE = (UnicodeError, OverflowError)
FAULTS = (PyMongoError, BSONError, *UNWRITABLE)
"""What a call may raise; the last two where BSON has no form for a text or a number."""
_REFUSED = {
    18: "does not accept this user and password; check both, and the database that knows the user (authSource)",
    8000: "does not accept this user and password; check both in the URL",
    13: "forbids this to the user; grant the role readWrite on the database",
    73: "knows no such database or collection name; choose another one",
}
_LOGIN = (18, 8000)
_TOO_LARGE = (10334, 17419, 17420)
_ADDED = (", full error", " (configured timeouts", ", Timeout: ", ", Topology Description: ")
"""Where pymongo's own additions to an error begin, which tell its insides."""
_LATER = {
    10107: "has no primary member now; wait for the election",
    13435: "has no primary member now; wait for the election",
    11602: "was interrupted by an election; try again",
    189: "is no longer the primary member; try again",
    91: "shuts down",
    11600: "shuts down",
    112: "is busy with the same documents; try again",
    50: "took too long; try again",
    14031: "is out of disk space; make room",
}


def explain(error: Exception, url: str, doing: str) -> tuple[str, bool]:
    """A sentence, and whether the same may succeed later; `url` is masked already."""
    code, text = _said(error)
    where = f"cannot {doing}: MongoDB at {url}"
    if code in _LOGIN:
        return f"{where} {_REFUSED[code]} ({text})", False
    if getattr(error, "timeout", False) or isinstance(error, ConnectionFailure):
        advice = "check that the server runs there and can be reached"
        return f"cannot {doing}: no answer from MongoDB at {url}: {text}; {advice}", True
    if isinstance(error, DocumentTooLarge) or code in _TOO_LARGE:
        return f"{where} keeps no document of more than 16 MB; send less ({text})", False
    if isinstance(error, OperationFailure):
        later = _LATER.get(code)
        return f"{where} {later or _REFUSED.get(code, 'refused; read what the server says')} ({text})", bool(
            later
        )
    if isinstance(error, UNWRITABLE):
        return f"{where} has no form for a name, an id or a number: {text}", False
    if isinstance(error, InvalidName):
        return f"{where} can have no such database or collection: {text}; choose another name", False
    if isinstance(error, InvalidURI):
        return f"{url} is no MongoDB URL: check it, and quote what is special in user and password", False
    if isinstance(error, ConfigurationError):
        if "wire version" in text:
            return f"{where} is too old for this pymongo; upgrade it ({text})", False
        return f"{url} cannot be used: {text}", False
    return f"{where} answered: {text}", False


def refused_login(error: Exception) -> bool:
    """Whether user and password are wrong."""
    return _said(error)[0] in _LOGIN


def _said(error: Exception) -> tuple[int, str]:
    """The code and the words of the server; of a batch, those of the first that was refused."""
    code, text = getattr(error, "code", None) or 0, str(error)
    if isinstance(error, BulkWriteError):
        first = [*error.details.get("writeErrors", ()), *error.details.get("writeConcernErrors", ())][:1]
        code, text = (first[0].get("code") or 0, str(first[0].get("errmsg"))) if first else (code, text)
    # Some proxies and emulators put the cause of a refused login in words alone.
    if "uthentication failed" in text:
        code = 18
    for rest in _ADDED:
        text = text.partition(rest)[0]
    return code, " ".join(text.split())[:300]
