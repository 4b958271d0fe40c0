"""Opening the ledger's database, and all in which SQLite and PostgreSQL differ for it.

On both, who writes is alone in the whole database until the transaction ends: by SQLite's lock,
or by an advisory lock in PostgreSQL, where other processes may be writing. So entries become
visible in the order of their numbers, without gaps.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from registry_proxy.ledger.ports import LedgerUnavailable
from servicekit.databases import DatabaseRefused, postgresql_engine

_MIGRATIONS = Path(__file__).parent / "migrations"
_FIRST = "0001"
_WRITES = "writes"
_LAST_SECONDS = 10.0
"""That the end of the process waits for transactions whose askers are gone."""

_SQLITE_CONNECTIONS = 40
"""As many as there are threads that answer requests, so that none waits for another's."""
_SQLITE_PRAGMAS = ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = FULL")
_SQLITE_BEGIN = {True: "BEGIN IMMEDIATE", False: "BEGIN"}

_POSTGRESQL_ALONE = "SELECT pg_advisory_xact_lock(7063071)"
_SQLITE_GUARD = (
    (
        "CREATE TRIGGER IF NOT EXISTS {table}_no_UPDATE BEFORE UPDATE ON {table} BEGIN "
        "SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
    (
        "CREATE TRIGGER IF NOT EXISTS {table}_no_DELETE BEFORE DELETE ON {table} BEGIN "
        "SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
)
_POSTGRESQL_GUARD = (
    (
        "CREATE OR REPLACE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    ),
    (
        "CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
    ),
)


class LedgerDatabase:
    """Transactions on one database, of this release's schema. All raise LedgerUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = threading.Lock()
        self._under_way = 0
        self._changed = threading.Condition()
        try:
            with self.writing() as connection:
                _migrate(connection)
        except LedgerUnavailable:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction in which nobody else writes."""
        # Threads wait here and not in the database, where each would hold a connection.
        with self._writing, self._transaction(writes=True) as connection:
            yield connection

    def close(self) -> None:
        """Close the connections, once threads whose askers are gone have given them back."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, _LAST_SECONDS)
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self._changed:
            self._under_way += 1
        try:
            with self._engine.execution_options(**{_WRITES: writes}).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerUnavailable(
                f"the ledger's database cannot be used ({_reason(error)}); see to it, look "
                "where the model stands, and try again"
            ) from error
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()


def open_sqlite(path: Path) -> LedgerDatabase:
    """Open a file, which is made where there is none. Raises LedgerUnavailable."""
    engine = create_engine(f"sqlite:///{path}", pool_size=_SQLITE_CONNECTIONS, max_overflow=0)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions by itself: it would begin them as readers,
        # and two readers that turn writers at once deadlock.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(_SQLITE_BEGIN[_writes(connection)])

    return LedgerDatabase(engine)


def open_postgresql(address: str, password: str | None = None) -> LedgerDatabase:
    """Open `postgresql://USER@HOST:PORT/DATABASE`, which must exist. Raises LedgerUnavailable."""
    try:
        engine = postgresql_engine(address, password, "isogloss-registry-proxy")
    except DatabaseRefused as refused:
        raise LedgerUnavailable(f"the ledger: {refused}") from refused

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if _writes(connection):
            connection.exec_driver_sql(_POSTGRESQL_ALONE)

    return LedgerDatabase(engine)


def append_only(dialect: str, table: str) -> list[str]:
    """Return the statements after which nobody, not even by hand, changes a row of `table`."""
    guard = _SQLITE_GUARD if dialect == "sqlite" else _POSTGRESQL_GUARD
    return [statement.format(table=table) for statement in guard]


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(_WRITES))


def _migrate(connection: Connection) -> None:
    """Bring the schema to this release's, from none or from any release's before it."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables and "schema_version" in tables:
        _refuse_other_first(connection)
        command.stamp(config, _FIRST)
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")


def _refuse_other_first(connection: Connection) -> None:
    """Before there were migrations, the schema had the number 1 and a table to say so."""
    found = connection.exec_driver_sql("SELECT version FROM schema_version").scalar()
    if found != 1:
        raise LedgerUnavailable(
            f"the ledger has schema {found}, which no release before this one wrote; "
            "run the release that wrote it"
        )


def _refuse_newer(connection: Connection, script: ScriptDirectory) -> None:
    if "alembic_version" not in inspect(connection).get_table_names():
        return
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    try:
        script.get_revision(str(found))
    except CommandError as error:
        raise LedgerUnavailable(
            f"the ledger has schema {found}, which a newer release wrote; run that release"
        ) from error


def _reason(error: SQLAlchemyError) -> str:
    return str(error.orig).strip() if isinstance(error, DBAPIError) else str(error)
