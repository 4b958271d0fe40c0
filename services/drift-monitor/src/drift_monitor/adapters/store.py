"""All tables behind one engine; which database that is, is databases' concern."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, delete, or_, select
from sqlalchemy.exc import SQLAlchemyError

from drift_monitor.adapters.answer_rows import AnswerRows
from drift_monitor.adapters.bucket_rows import BucketRows, ReportRows
from drift_monitor.adapters.drift_rows import DriftRows, FindingRows, NullRows
from drift_monitor.adapters.registered_rows import ProgressRows, RegisteredRows
from drift_monitor.adapters.sample_rows import SampleRows
from drift_monitor.adapters.tables import (
    ANSWERS,
    BATCHES,
    FINDINGS,
    HELD,
    LABELS,
    METADATA,
    PAIRINGS,
    VERSIONS,
)
from drift_monitor.adapters.traffic_rows import AcceptedRows, TrafficRows
from drift_monitor.ports import (
    Answers,
    Buckets,
    Drift,
    Findings,
    Nulls,
    Progress,
    Registered,
    Reports,
    Sample,
    StoreUnavailable,
    Transaction,
)

if TYPE_CHECKING:
    from drift_monitor.traffic_ports import AcceptedFiles, Traffic

WRITES = "isogloss_writes"
"""The execution option by which an engine's listeners know how to begin."""

# A pairing may be registered this long after the first answers that belong to it.
_LOOK_BACK_SECONDS = 900.0
# A sender that repeats a batch later than this has long given it up.
_BATCH_ID_SECONDS = 86_400.0


class SqlStore:
    """Implements `ports.Store`: who writes is alone in the whole database until it is done."""

    def __init__(self, engine: Engine, journal: str) -> None:
        """Make what tables are missing; `journal` names this replica's. StoreUnavailable."""
        self._engine = engine
        self._journal = journal
        try:
            with self._connect(writes=True) as connection:
                METADATA.create_all(connection)
        except StoreUnavailable:
            self.close()
            raise

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a transaction that may write."""
        with self._connect(writes=True) as connection:
            yield _SqlTransaction(connection, self._journal)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a transaction that only reads."""
        with self._connect(writes=False) as connection:
            yield _SqlTransaction(connection, self._journal)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _connect(self, *, writes: bool) -> Iterator[Connection]:
        try:
            with self._engine.execution_options(**{WRITES: writes}).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the database refused: {error}") from error


class _SqlTransaction:
    def __init__(self, connection: Connection, journal: str) -> None:
        self._connection = connection
        self.progress: Progress = ProgressRows(connection, journal)
        self.registered: Registered = RegisteredRows(connection)
        self.answers: Answers = AnswerRows(connection)
        self.drift: Drift = DriftRows(connection)
        self.findings: Findings = FindingRows(connection)
        self.nulls: Nulls = NullRows(connection)
        self._bucket_rows, self._sample_rows = BucketRows(connection), SampleRows(connection)
        self.buckets: Buckets = self._bucket_rows
        self.sample: Sample = self._sample_rows
        self._traffic_rows = TrafficRows(connection)
        self.traffic: Traffic = self._traffic_rows
        self.accepted: AcceptedFiles = AcceptedRows(connection)
        self.reports: Reports = ReportRows(connection)

    def forget(self, now: float, retention_seconds: float) -> None:
        old, run = now - retention_seconds, self._connection.execute
        run(delete(PAIRINGS).where(PAIRINGS.c.until < old))
        run(delete(LABELS).where(LABELS.c.received_at < old))
        run(delete(FINDINGS).where(FINDINGS.c.confirmed_at < old))
        self._bucket_rows.forget(old)
        self._sample_rows.forget(old)
        self._traffic_rows.forget(old)
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
        run(delete(HELD).where(HELD.c.received_at < now - _LOOK_BACK_SECONDS))
        for pairing in self.registered.pairings():
            self.answers.forget_unmirrored(pairing, now - _LOOK_BACK_SECONDS)
