"""Opening the database, and all in which SQLite and PostgreSQL differ here.

On both, who writes is alone in the whole database: by SQLite's lock, or by an advisory lock in
PostgreSQL, where several replicas add to the same sums.
"""

from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from drift_monitor.adapters.store import WRITES, SqlStore
from drift_monitor.ports import StoreUnavailable

_WAIT_FOR_WRITER_SECONDS = 10
_SQLITE_BEGIN = {True: "BEGIN IMMEDIATE", False: "BEGIN"}
_POSTGRESQL_BEGIN = {
    True: "SELECT pg_advisory_xact_lock(7063072)",
    False: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
}
_POSTGRESQL_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        # The journal forgets what is in the tables.
        "synchronous_commit=on",
        "lock_timeout=10s",
        "statement_timeout=60s",
        # A replica that hangs while it writes must not keep all others from writing.
        "idle_in_transaction_session_timeout=30s",
    )
)
_CONNECTIONS = 10
_NO_ADDRESS = "the database must be given as postgresql://USER@HOST:PORT/DATABASE"


def open_sqlite(path: Path, journal: str) -> SqlStore:
    """Open or create a file: WAL mode, readers never in the writer's way. StoreUnavailable."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _WAIT_FOR_WRITER_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # The driver would begin as a reader, and a late upgrade to writing would fail.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    _begin_with(engine, _SQLITE_BEGIN)
    return SqlStore(engine, journal)


def open_postgresql(address: str, password: str | None, journal: str) -> SqlStore:
    """Open `postgresql://USER@HOST:PORT/DATABASE`, which must exist. StoreUnavailable."""
    engine = create_engine(
        _url(address, password),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        # A connection that a restarted server closed is replaced without anybody's noticing.
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5, "options": _POSTGRESQL_SESSION},
    )
    _begin_with(engine, _POSTGRESQL_BEGIN)
    return SqlStore(engine, journal)


def _begin_with(engine: Engine, statements: dict[bool, str]) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = bool(connection.get_execution_options().get(WRITES))
        connection.exec_driver_sql(statements[writes])


def _url(address: str, password: str | None) -> URL:
    try:
        given = make_url(address)
    except (ArgumentError, ValueError) as error:
        raise StoreUnavailable(_NO_ADDRESS) from error
    if given.drivername not in {"postgresql", "postgres"}:
        raise StoreUnavailable(_NO_ADDRESS)
    url = given.set(drivername="postgresql+psycopg")
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        raise StoreUnavailable(
            "PostgreSQL's driver is missing: install isogloss-drift-monitor[postgresql]"
        ) from error
    return url.set(password=password) if password else url
