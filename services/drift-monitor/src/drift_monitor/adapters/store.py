"""The database: SQLite in WAL mode, one writer at a time, readers never in the way."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from drift_monitor.adapters.answer_rows import AnswerRows
from drift_monitor.adapters.drift_rows import DriftRows, FindingRows, NullRows
from drift_monitor.adapters.tables import (
    ANSWERS,
    BATCHES,
    FINDINGS,
    LABELS,
    METADATA,
    PAIRINGS,
    PROGRESS,
    VERSIONS,
)
from drift_monitor.pairings import Pairing
from drift_monitor.ports import (
    Answers,
    Drift,
    Findings,
    Nulls,
    Progress,
    Registered,
    StoreUnavailable,
    Transaction,
    Version,
)

# A pairing may be registered this long after the first answers that belong to it.
_LOOK_BACK_SECONDS = 900.0
# A sender that repeats a batch later than this has long given it up.
_BATCH_ID_SECONDS = 86_400.0
_WAIT_FOR_WRITER_SECONDS = 10
_READ_ONLY = "isogloss_read_only"


class SqlStore:
    """All tables behind one engine; implements `ports.Store`."""

    def __init__(self, path: Path) -> None:
        """Open or create the database file; raises StoreUnavailable."""
        self._engine = create_engine(
            f"sqlite:///{path}", connect_args={"timeout": _WAIT_FOR_WRITER_SECONDS}
        )
        _begin_explicitly(self._engine)
        try:
            METADATA.create_all(self._engine)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database {path} cannot be opened: {error}") from error

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a transaction that may write."""
        try:
            with self._engine.begin() as connection:
                yield _SqlTransaction(connection)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database refused: {error}") from error

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a transaction that only reads."""
        try:
            with self._engine.connect().execution_options(**{_READ_ONLY: True}) as connection:
                yield _SqlTransaction(connection)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database refused: {error}") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


class _SqlTransaction:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.progress: Progress = _ProgressRows(connection)
        self.registered: Registered = _RegisteredRows(connection)
        self.answers: Answers = AnswerRows(connection)
        self.drift: Drift = DriftRows(connection)
        self.findings: Findings = FindingRows(connection)
        self.nulls: Nulls = NullRows(connection)

    def forget(self, now: float, retention_seconds: float) -> None:
        old, run = now - retention_seconds, self._connection.execute
        run(delete(PAIRINGS).where(PAIRINGS.c.until < old))
        run(delete(LABELS).where(LABELS.c.received_at < old))
        run(delete(FINDINGS).where(FINDINGS.c.confirmed_at < old))
        run(delete(BATCHES).where(BATCHES.c.received_at < now - _BATCH_ID_SECONDS))
        belongs = (
            select(PAIRINGS.c.rollout)
            .join(
                VERSIONS,
                (VERSIONS.c.model == PAIRINGS.c.model)
                & VERSIONS.c.digest.in_([PAIRINGS.c.baseline, PAIRINGS.c.candidate]),
            )
            .where(
                VERSIONS.c.row == ANSWERS.c.version,
                ANSWERS.c.time >= PAIRINGS.c.since - _LOOK_BACK_SECONDS,
                or_(
                    PAIRINGS.c.until.is_(None),
                    ANSWERS.c.time < PAIRINGS.c.until + _LOOK_BACK_SECONDS,
                ),
            )
        )
        too_old = ANSWERS.c.received_at < now - _LOOK_BACK_SECONDS
        run(delete(ANSWERS).where(too_old, ~belongs.exists()))
        for pairing in self.registered.pairings():
            self.answers.forget_unmirrored(pairing, now - _LOOK_BACK_SECONDS)


class _ProgressRows:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def applied(self) -> int:
        return int(self._connection.execute(select(PROGRESS.c.applied)).scalar() or 0)

    def advance(self, seq: int) -> None:
        values = {"id": 1, "applied": seq}
        _upsert(self._connection, PROGRESS, values)

    def is_new(self, batch_id: str, received_at: float) -> bool:
        statement = upsert(BATCHES).values(batch_id=batch_id, received_at=received_at)
        return self._connection.execute(statement.on_conflict_do_nothing()).rowcount == 1

    def recent_batches(self, count: int) -> list[str]:
        newest = select(BATCHES.c.batch_id).order_by(BATCHES.c.received_at.desc()).limit(count)
        return list(self._connection.execute(newest).scalars())[::-1]


class _RegisteredRows:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, pairings: Iterable[Pairing]) -> None:
        for pairing in pairings:
            _upsert(self._connection, PAIRINGS, vars(pairing))

    def pairings(self, model: str | None = None) -> list[Pairing]:
        query = select(PAIRINGS).order_by(PAIRINGS.c.since.desc())
        if model is not None:
            query = query.where(PAIRINGS.c.model == model)
        return [Pairing(**row) for row in self._connection.execute(query).mappings()]

    def version(self, model: str, digest: str, labels: tuple[str, ...]) -> Version:
        known = (VERSIONS.c.model == model) & (VERSIONS.c.digest == digest)
        row = self._connection.execute(select(VERSIONS.c.row).where(known)).scalar()
        written = json.dumps(labels)
        if row is None:
            values = {"model": model, "digest": digest, "labels": written}
            made = insert(VERSIONS).values(values).returning(VERSIONS.c.row)
            row = self._connection.execute(made).scalar_one()
        elif labels:
            self._connection.execute(update(VERSIONS).where(known).values(labels=written))
        return Version(int(row), model, digest, labels)

    def versions(self, model: str | None = None) -> list[Version]:
        query = select(VERSIONS).order_by(VERSIONS.c.row)
        if model is not None:
            query = query.where(VERSIONS.c.model == model)
        return [
            Version(row.row, row.model, row.digest, tuple(json.loads(row.labels)))
            for row in self._connection.execute(query)
        ]


def _upsert(connection: Connection, table: Any, values: dict[str, Any]) -> None:
    keys = [column.name for column in table.primary_key]
    others = {name: value for name, value in values.items() if name not in keys}
    statement = upsert(table).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=others))


def _begin_explicitly(engine: Engine) -> None:
    """Let SQLAlchemy begin transactions: a late upgrade from reading to writing would fail."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
