"""From a driver's errors to tq's: what failed, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exc as sa_exc

from tq.errors import BackendError, BackendUnavailable, BrokerError, BrokerUnavailable, PublishError
from tq.options import mask_url

AGAIN = frozenset({"40001", "40P01", "55P03", 1205, 1213})
"""Deadlocks and the like: the transaction was undone, and may simply run again."""

# Codes of PostgreSQL (SQLSTATE), MySQL (error number) and sentences of SQLite, and what they mean.
# Each: (later, what, next step). `later` means that it may heal by itself.
_REFUSED = (True, "the server cannot be reached", "check that it runs and that host and port are right")
_PASSWORD = (False, "the server refused the user or the password", "check both in the URL")
_NO_DATABASE = (False, "the database does not exist", "create it, or check its name in the URL")
_NO_TABLE = (
    False,
    "a table of tq is missing",
    "run `tq sql upgrade` once, as a user that may create tables; on PostgreSQL check the search_path",
)
_CONFLICT = (
    True,
    "others changed the same rows again and again",
    "try again, and look for what else uses tq's tables",
)
_DENIED = (
    False,
    "the user lacks a permission",
    "grant SELECT, INSERT, UPDATE and DELETE on tq's tables, and CREATE for the first start",
)
_FULL = (True, "the disk is full", "free some space where the database lies")
_READ_ONLY = (True, "the database is read-only", "connect to the primary, or make the file writable")
_BUSY = (True, "others held the lock of the database for too long", "look for a long transaction in it")
_CROWDED = (True, "the server has no connection left", "raise its limit, or start fewer processes")
_OLD = (
    False,
    "the database is too old",
    "upgrade it to SQLite 3.35, PostgreSQL 12, MySQL 8 or MariaDB 10.6, or newer",
)
_CODES: dict[str | int, tuple[bool, str, str]] = {
    "28P01": _PASSWORD, "28000": _PASSWORD, 1045: _PASSWORD, 1698: _PASSWORD,
    "3D000": _NO_DATABASE, 1049: _NO_DATABASE,
    "42501": _DENIED, 1044: _DENIED, 1142: _DENIED, 1143: _DENIED, 1227: _DENIED,
    "42P01": _NO_TABLE, 1146: _NO_TABLE,
    "40001": _CONFLICT, "40P01": _CONFLICT, 1213: _CONFLICT,
    "53100": _FULL, 1021: _FULL, 1114: _FULL,
    "25006": _READ_ONLY, 1290: _READ_ONLY, 1792: _READ_ONLY, 1836: _READ_ONLY,
    "53300": _CROWDED, 1040: _CROWDED, 1203: _CROWDED,
    1205: _BUSY, "55P03": _BUSY, "57014": _BUSY,
    2002: _REFUSED, 2003: _REFUSED, 2005: _REFUSED,
}  # fmt: skip
_TEXTS: tuple[tuple[str, tuple[bool, str, str]], ...] = (
    ("SKIP LOCKED", _OLD),
    ('near "RETURNING"', _OLD),
    ("is locked", _BUSY),
    ("disk is full", _FULL),
    ("readonly database", (False, "the file is not writable", "check the rights of the file and its folder")),
    (
        "unable to open database file",
        (False, "the file cannot be opened", "check that its folder exists and is writable"),
    ),
    ("not a database", (False, "the file is no SQLite database", "choose another file, or remove it")),
    ("malformed", (False, "the file is damaged", "restore it from a copy, or remove it")),
    ("disk I/O error", (True, "the disk failed", "check the disk, and that it is no network disk")),
    ("no such table", _NO_TABLE),
    ('role "', _PASSWORD),
    ("password authentication failed", _PASSWORD),
    ("no password supplied", _PASSWORD),
    ("no pg_hba.conf entry", _PASSWORD),
    ("does not exist", _NO_DATABASE),
    ("too many clients", _CROWDED),
    ("remaining connection slots", _CROWDED),
    ("refused", _REFUSED),
    ("could not translate host name", _REFUSED),
    ("failed to resolve host", _REFUSED),
    ("timeout", _REFUSED),
    ("server closed the connection", _REFUSED),
    ("Connection reset", _REFUSED),
)


@dataclass(frozen=True)
class Faults:
    """Makes the errors of one broker or backend."""

    url: str
    name: str
    error: type[BrokerError | BackendError]
    unavailable: type[BrokerUnavailable | BackendUnavailable]

    def failed(self, text: str) -> BrokerError | BackendError:
        """An error that does not heal by itself."""
        return self.error(f"the {self.name} {mask_url(self.url)}: {text}", url=mask_url(self.url))

    def later(self, text: str) -> BrokerError | BackendError:
        """An error after which the caller may try again."""
        return self.unavailable(f"the {self.name} {mask_url(self.url)}: {text}", url=mask_url(self.url))

    def translate(self, exc: BaseException) -> BrokerError | BackendError:
        """The error of tq for one of SQLAlchemy or its driver."""
        text = reason(exc)
        known = _CODES.get(code(exc) or "") or next((m for part, m in _TEXTS if part in text), None)
        if known is not None:
            later, what, step = known
            return (self.later if later else self.failed)(f"{what} ({text}); {step}")
        if isinstance(exc, sa_exc.TimeoutError):
            return self.later("all its connections were busy; raise pool_size")
        if is_disconnect(exc):
            return self.later(f"the connection was lost ({text})")
        return self.failed(text)


def broker_faults(url: str) -> Faults:
    return Faults(url, "broker", BrokerError, BrokerUnavailable)


def backend_faults(url: str) -> Faults:
    return Faults(url, "result backend", BackendError, BackendUnavailable)


def code(exc: BaseException) -> str | int | None:
    """SQLSTATE of PostgreSQL, or the number of a MySQL error."""
    orig: Any = getattr(exc, "orig", None) or exc
    first = orig.args[0] if orig.args else None
    if isinstance(first, int):
        return first
    # psycopg2, over which callers may enqueue, has another name for it.
    state = getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)
    return state if isinstance(state, str) else None


def reason(exc: BaseException) -> str:
    """The driver's own words, on one line and without the statement and its values."""
    orig: Any = getattr(exc, "orig", None) or exc
    args = orig.args
    text = str(args[1]) if len(args) > 1 and isinstance(args[0], int) else str(orig)
    return " ".join(text.split())[:500] or type(orig).__name__


def is_about_data(exc: BaseException | None) -> bool:
    """Whether the store refused a value, rather than the user or the whole statement."""
    return isinstance(exc, (sa_exc.DataError, sa_exc.IntegrityError, UnicodeError))


def refused(exc: BrokerError) -> PublishError:
    """The error of a message, or of what follows from one, that the store does not take."""
    error = PublishError(str(exc), url=exc.url)
    error.__cause__ = exc
    return error


def is_about_structure(exc: BaseException) -> bool:
    """Whether a table or a column is missing."""
    text = reason(exc)
    return code(exc) in _NOT_THERE or text.startswith(("no such table", "no such column"))


_NOT_THERE = frozenset({"42P01", "42703", 1146, 1054})


def is_disconnect(exc: BaseException) -> bool:
    """Whether the connection is gone, so that a new one may do."""
    if isinstance(exc, sa_exc.DBAPIError):
        return exc.connection_invalidated or code(exc) in _GONE or isinstance(exc, sa_exc.InterfaceError)
    return isinstance(exc, OSError)


# Shut down by an administrator, crashed, starting up; MySQL: gone away, lost.
_GONE = frozenset({"57P01", "57P02", "57P03", "08006", "08003", "08001", 2006, 2013, 2055, 1053, 1927})
