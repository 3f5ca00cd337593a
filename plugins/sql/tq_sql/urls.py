"""From tq's URLs to SQLAlchemy's: Celery's prefixes, default drivers, and whose option is whose."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

import msgspec
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq_sql.options import SqlOptions

DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
ALIASES = {"postgres": "postgresql", "mariadb": "mysql"}
PREFIXES = ("sqla", "sqlalchemy", "db", "database")
# psycopg2 takes the same parameters of libpq, so that Celery's URLs work as they are.
SPOKEN = {"sqlite": ("pysqlite",), "postgresql": ("psycopg", "psycopg2"), "mysql": ("pymysql",)}


@dataclass(frozen=True)
class Address:
    """Where the database is. `own` is the URL with tq's options alone in its query."""

    dialect: str
    url: URL
    own: str

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two URLs that mean one database and one user."""
        url = self.url
        return (self.dialect, url.username, url.host, url.port, url.database, url.query)


def is_sql(url: str) -> bool:
    """Whether the scheme is one of those that are read here."""
    head, _, tail = url.partition("://")[0].partition("+")
    name = tail.partition("+")[0] if head in PREFIXES and tail else head
    return "://" in url and ALIASES.get(name, name) in DRIVERS


def read_url(url: str) -> Address:
    """Read a URL such as `db+postgresql://user:pass@host/name?sslmode=require&table_prefix=x_`.

    Raises `ImproperlyConfigured` for a dialect or driver that is not spoken here.
    """
    scheme, sep, rest = url.partition("://")
    head, _, tail = scheme.partition("+")
    if head in PREFIXES and tail:
        scheme = tail
    dialect, _, driver = scheme.partition("+")
    dialect = ALIASES.get(dialect, dialect)
    if not sep or dialect not in DRIVERS:
        raise ImproperlyConfigured(
            f"tq-sql cannot read {mask_url(url)}: write sqlite:///path/to/file.db, "
            "postgresql://user:password@host/name, mysql://… or mariadb://…"
        )
    if driver and driver not in SPOKEN[dialect]:
        raise ImproperlyConfigured(
            f"tq-sql does not use the driver {driver!r} of {mask_url(url)}: write {DRIVERS[dialect]}://…"
        )
    return _address(url, dialect, f"{DRIVERS[dialect]}://{rest}")


def _address(url: str, dialect: str, plain: str) -> Address:
    known = {field.encode_name for field in msgspec.structs.fields(SqlOptions)}
    query = parse_qsl(plain.partition("?")[2], keep_blank_values=True)
    theirs = [(key, value) for key, value in query if key not in known and key in _parameters(dialect)]
    ours = [pair for pair in query if pair not in theirs]
    try:
        target = make_url(_with_query(plain, theirs))
    except (ArgumentError, ValueError) as exc:
        raise ImproperlyConfigured(f"{mask_url(url)} is not a database URL: {exc}") from exc
    if "@" in (target.host or ""):
        raise ImproperlyConfigured(f"{mask_url(url)} has an @ in its password: write it as %40")
    if dialect == "sqlite":
        target = _file(url, target)
    return Address(dialect, target, _with_query(url, ours))


def _with_query(url: str, query: list[tuple[str, str]]) -> str:
    """`urlunsplit` would drop the slashes of sqlite:///."""
    base = url.partition("?")[0]
    return f"{base}?{urlencode(query)}" if query else base


def _file(url: str, target: URL) -> URL:
    if target.host:
        raise ImproperlyConfigured(
            f"{mask_url(url)} names a host: a file needs three slashes, sqlite:///tq.db"
        )
    if not target.database or target.database == ":memory:" or target.database.startswith("file:"):
        raise ImproperlyConfigured(
            f"{url} is a database in the memory of one connection, which nobody can share: "
            "use memory:// for tests, or a file such as sqlite:///.tq/tq.db"
        )
    return target.set(database=os.path.abspath(target.database))


def _parameters(dialect: str) -> frozenset[str]:
    """The names that the driver itself takes in a query."""
    if dialect == "postgresql":
        return frozenset(_LIBPQ.split())
    return frozenset(_PYMYSQL.split() if dialect == "mysql" else ())


# PostgreSQL 17, "Parameter Key Words" of libpq.
_LIBPQ = """
    host hostaddr port dbname user password passfile require_auth channel_binding client_encoding
    options application_name fallback_application_name keepalives keepalives_idle keepalives_interval
    keepalives_count tcp_user_timeout gssencmode sslmode sslnegotiation sslcompression sslcert sslkey
    sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version
    ssl_max_protocol_version krbsrvname gsslib gssdelegation service target_session_attrs
    load_balance_hosts
"""
# PyMySQL 1.1, `pymysql.connections.Connection`, as far as a text can say it; init_command is taken.
_PYMYSQL = """
    charset unix_socket bind_address read_default_file read_default_group program_name
    ssl_ca ssl_cert ssl_key ssl_key_password ssl_disabled ssl_verify_cert ssl_verify_identity
    ssl_check_hostname
"""
