"""Opening a PostgreSQL: its address as people write it, and what every service asks of a session.

Needs SQLAlchemy, which a service that has a database depends on itself. What it keeps there, and
in which transactions, is its own.
"""

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

_CONNECTIONS = 10
"""Of the hundred that a server allows by default, so that several replicas fit beside others."""
_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        "synchronous_commit=on",
        "lock_timeout=10s",
        "statement_timeout=60s",
        # A replica that hangs while it writes must not keep all others from writing.
        "idle_in_transaction_session_timeout=30s",
    )
)


class DatabaseRefused(Exception):
    """This database cannot be opened from here; the text says what to give or install."""


def postgresql_engine(address: str, password: str | None, package: str) -> Engine:
    """Return an engine on `postgresql://USER@HOST:PORT/DATABASE`; nothing is asked of it yet.

    The driver comes with the extra `postgresql` of `package`. Raises DatabaseRefused.
    """
    return create_engine(
        _url(address, password, package),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        # A connection that a restarted server closed is replaced without anybody's noticing.
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": _SESSION},
    )


def _url(address: str, password: str | None, package: str) -> URL:
    wanted = "the database must be given as postgresql://USER@HOST:PORT/DATABASE"
    try:
        given = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise DatabaseRefused(wanted) from error
    if given.drivername not in {"postgresql", "postgres"}:
        raise DatabaseRefused(wanted)
    url = given.set(drivername="postgresql+psycopg")
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        raise DatabaseRefused(
            f"PostgreSQL's driver is missing: install {package}[postgresql]"
        ) from error
    return url.set(password=password) if password else url
