"""The ledger in one SQLite file: write-ahead log, every commit flushed to disk.

Entries and documents are only ever added; triggers refuse anything else, also to a person with
a SQL prompt. A page is one transaction, so a crash leaves whole pages only. PostgreSQL and
migrations are not here.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.ledger import ChainReport, Draft, EntryKind, LedgerEntry, seal, verify_chain
from lifecycle.model_states import ModelState, apply_entry
from registry_proxy.ledger.ports import Clock, HeadMoved, LedgerUnavailable, Page

SCHEMA_VERSION = 1
_BUSY_MILLISECONDS = 5000
_CONNECTIONS = 40
"""As many as there are threads that answer requests, so that none waits for another's."""
_PAGE_ENTRIES = 500
_AS_WRITER = "BEGIN IMMEDIATE"

_TABLES = MetaData()
_SCHEMA = Table("schema_version", _TABLES, Column("version", Integer, primary_key=True))
_ENTRIES = Table(
    "entries",
    _TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("model", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(71), nullable=False),
    Column("hash", String(71), nullable=False, unique=True),
    Index("entries_by_model", "model", "seq"),
)
_DOCUMENTS = Table(
    "documents",
    _TABLES,
    Column("digest", String(71), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
_APPEND_ONLY = "CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table} BEGIN \
SELECT RAISE(ABORT, 'the ledger is append-only'); END"

Observer = Callable[[Sequence[LedgerEntry]], None]
"""Told of every entry once it is written, for metrics."""


class SqliteLedger:
    """Implements `ledger.ports.Ledger`; safe for many threads of one process."""

    def __init__(self, path: Path, clock: Clock, observer: Observer) -> None:
        self._engine = _open(path)
        self._clock = clock
        self._observer = observer
        self._writing = threading.Lock()
        self._states: dict[str, ModelState] = {}
        with self._transaction(_AS_WRITER) as connection:
            _prepare(connection, path)

    def state(self, model: str) -> ModelState:
        """Fold what was added since the model was last read."""
        seen = self._states.get(model, ModelState(model))
        with self._transaction() as connection:
            later = _ENTRIES.c.seq > seen.seq
            for entry in _select(connection, later, _ENTRIES.c.model == model):
                seen = apply_entry(seen, entry)
        # An older fold of another thread may overwrite a newer one: the next read catches up.
        if seen.seq:
            self._states[model] = seen
        return seen

    def models(self) -> tuple[str, ...]:
        """Return the names of all models that have an entry."""
        query = select(_ENTRIES.c.model).distinct().order_by(_ENTRIES.c.model)
        with self._transaction() as connection:
            return tuple(connection.execute(query).scalars())

    def append(self, model: str, seen: int, page: Page) -> ModelState:
        """Write one page in one transaction, if nobody wrote to the model after `seen`."""
        with self._writing, self._transaction(_AS_WRITER) as connection:
            head = select(func.max(_ENTRIES.c.seq)).where(_ENTRIES.c.model == model)
            if (connection.execute(head).scalar() or 0) != seen:
                raise HeadMoved(model)
            entries = _seal_all(model, self._clock(), page.drafts, _last(connection))
            connection.execute(insert(_ENTRIES), [_to_row(entry) for entry in entries])
            for content in page.documents:
                row = {"digest": sha256_digest(content), "content": content}
                connection.execute(insert(_DOCUMENTS).prefix_with("OR IGNORE"), row)
        self._observer(entries)
        return self.state(model)

    def entries(self, model: str | None, after: int, limit: int) -> Sequence[LedgerEntry]:
        """Return up to `limit` entries after number `after`."""
        conditions = [_ENTRIES.c.seq > after]
        if model is not None:
            conditions.append(_ENTRIES.c.model == model)
        with self._transaction() as connection:
            return _select(connection, *conditions, limit=limit)

    def document(self, digest: str) -> bytes | None:
        """Return a document; one that is not what its digest says is refused."""
        query = select(_DOCUMENTS.c.content).where(_DOCUMENTS.c.digest == digest)
        with self._transaction() as connection:
            content = connection.execute(query).scalar()
        if content is None:
            return None
        if not isinstance(content, bytes) or sha256_digest(content) != digest:
            raise LedgerUnavailable(f"document {digest} is damaged; restore the ledger's file")
        return content

    def verify(self) -> ChainReport:
        """Walk the chain page by page, so that its length does not matter."""
        return verify_chain(self._all())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _all(self) -> Iterator[LedgerEntry]:
        after = 0
        while page := self.entries(None, after, _PAGE_ENTRIES):
            yield from page
            after = page[-1].seq

    @contextmanager
    def _transaction(self, begin: str = "BEGIN") -> Iterator[Connection]:
        try:
            with self._engine.execution_options(begin=begin).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise LedgerUnavailable(
                f"the ledger's file cannot be used ({_reason(error)}); nothing was written, "
                "see to its disk and rights and try again"
            ) from error


def _open(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", pool_size=_CONNECTIONS, max_overflow=0)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions by itself: it would begin them as readers,
        # and two readers that turn writers at once deadlock.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options()["begin"])

    return engine


def _prepare(connection: Connection, path: Path) -> None:
    """Make the tables in a new file; refuse one that another release wrote."""
    _TABLES.create_all(connection)
    for table in ("entries", "documents"):
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(_APPEND_ONLY.format(table=table, verb=verb))
    found = connection.execute(select(_SCHEMA.c.version)).scalar()
    if found is None:
        connection.execute(insert(_SCHEMA), {"version": SCHEMA_VERSION})
    elif found != SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"{path} has schema {found} but this release needs {SCHEMA_VERSION}; "
            "run the release that wrote it"
        )


def _seal_all(
    model: str, now: float, drafts: Sequence[Draft], last: LedgerEntry | None
) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for draft in drafts:
        # What is hashed must be what is read back: tuples become lists here, not later.
        body = json.loads(canonical_json(draft.body))
        last = seal(Draft(draft.kind, draft.actor, body), model, now, last)
        entries.append(last)
    return entries


def _last(connection: Connection) -> LedgerEntry | None:
    query = select(_ENTRIES).order_by(_ENTRIES.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return _from_row(row) if row else None


def _select(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[LedgerEntry]:
    query = select(_ENTRIES).where(*conditions).order_by(_ENTRIES.c.seq).limit(limit)
    return [_from_row(row) for row in connection.execute(query).mappings()]


def _to_row(entry: LedgerEntry) -> dict[str, object]:
    return {
        **entry.to_dict(),
        "kind": entry.kind.value,
        "body": canonical_json(entry.body).decode(),
    }


def _from_row(row: RowMapping) -> LedgerEntry:
    return LedgerEntry(**{**row, "kind": EntryKind(row["kind"]), "body": json.loads(row["body"])})


def _reason(error: SQLAlchemyError) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
