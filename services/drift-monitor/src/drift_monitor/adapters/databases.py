"""Opening the database, and all in which SQLite and PostgreSQL differ here.

On both, who writes is alone in the whole database: by SQLite's lock, or by an advisory lock in
PostgreSQL, where several replicas add to the same sums.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from drift_monitor.adapters.store import WRITES, SqlStore
from drift_monitor.ports import StoreUnavailable
from servicekit.databases import DatabaseRefused, postgresql_engine

_WAIT_FOR_WRITER_SECONDS = 10
_SQLITE_BEGIN = {True: "BEGIN IMMEDIATE", False: "BEGIN"}
_POSTGRESQL_BEGIN = {
    True: "SELECT pg_advisory_xact_lock(7063072)",
    False: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
}


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
    try:
        engine = postgresql_engine(address, password, "isogloss-drift-monitor")
    except DatabaseRefused as refused:
        raise StoreUnavailable(str(refused)) from refused
    _begin_with(engine, _POSTGRESQL_BEGIN)
    return SqlStore(engine, journal)


def _begin_with(engine: Engine, statements: dict[bool, str]) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = bool(connection.get_execution_options().get(WRITES))
        connection.exec_driver_sql(statements[writes])
