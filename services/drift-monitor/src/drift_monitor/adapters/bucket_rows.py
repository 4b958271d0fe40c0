"""Buckets, past readings and reports as rows."""

import numpy as np
from sqlalchemy import Connection, delete, select

from drift_monitor.adapters.tables import BUCKETS, READINGS, REPORTS
from drift_monitor.adapters.upserts import put
from drift_monitor.buckets import Bucket, PastReading
from drift_monitor.ports import Report


class BucketRows:
    """Implements `ports.Buckets` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, bucket: Bucket) -> None:
        """Add rows to a bucket: whoever writes is alone, so nothing is lost in between."""
        query = select(BUCKETS.c.n, BUCKETS.c.sums).where(
            BUCKETS.c.version == bucket.version,
            BUCKETS.c.slice == bucket.slice,
            BUCKETS.c.start == bucket.start,
        )
        row = self._connection.execute(query).first()
        n, sums = bucket.n, bucket.sums
        if row is not None:
            n, sums = n + row.n, sums + np.frombuffer(row.sums)
        put(self._connection, BUCKETS, vars(bucket) | {"n": n, "sums": sums.tobytes()})

    def between(self, version: str, start: float, end: float) -> list[Bucket]:
        """Return a version's buckets that begin in [start, end), oldest first."""
        query = (
            select(BUCKETS)
            .where(BUCKETS.c.version == version, BUCKETS.c.start >= start, BUCKETS.c.start < end)
            .order_by(BUCKETS.c.start, BUCKETS.c.slice)
        )
        rows = self._connection.execute(query)
        return [Bucket(r.version, r.slice, r.start, r.n, np.frombuffer(r.sums)) for r in rows]

    def versions_since(self, start: float) -> set[str]:
        """Return the digests that have buckets which begin at `start` or later."""
        query = select(BUCKETS.c.version).where(BUCKETS.c.start >= start).distinct()
        return set(self._connection.execute(query).scalars())

    def readings(self, version: str, start: float, end: float) -> list[PastReading]:
        """Return what was said of the Windows that ended in (start, end], oldest first."""
        within = (READINGS.c.end > start) & (READINGS.c.end <= end)
        query = (
            select(*(column for column in READINGS.c if column.name != "version"))
            .where(READINGS.c.version == version, within)
            .order_by(READINGS.c.end, READINGS.c.slice, READINGS.c.detector)
        )
        return [PastReading(**row) for row in self._connection.execute(query).mappings()]

    def forget(self, before: float) -> None:
        """Drop what began before a time."""
        self._connection.execute(delete(BUCKETS).where(BUCKETS.c.start < before))
        self._connection.execute(delete(READINGS).where(READINGS.c.end < before))


class ReportRows:
    """Implements `ports.Reports` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, model: str, report: Report) -> None:
        """Keep a report, instead of an earlier one for the same time."""
        put(self._connection, REPORTS, vars(report) | {"model": model})

    def of_model(self, model: str) -> list[Report]:
        """Return a model's reports, newest first."""
        query = (
            select(*(column for column in REPORTS.c if column.name != "model"))
            .where(REPORTS.c.model == model)
            .order_by(REPORTS.c.until.desc())
        )
        return [Report(**row) for row in self._connection.execute(query).mappings()]
