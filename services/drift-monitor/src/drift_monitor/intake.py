"""Taking batches in: refuse, shed or write down, then wait in a bounded queue to be counted."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from drift_monitor.batches import BatchRefused, read_batch, read_head
from drift_monitor.ports import Journal, Record

# Senders repeat a batch within seconds; ids older than this many batches are in the tables.
RECENT_BATCHES = 10_000
# Read a second time where more wait: as columns a batch is five times as large.
_KEPT_READ = 50

_log = logging.getLogger(__name__)


class Taken(Enum):
    """What became of a batch."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    SHED = "shed"


class Intake:
    """The queue between the HTTP routes and the tables; used on the event loop only."""

    def __init__(self, journal: Journal, limit: int, recent: Iterable[str]) -> None:
        self._journal = journal
        self._limit = limit
        self._arrived = asyncio.Event()
        self._latest = 0.0
        self._waiting: deque[Record] = deque()
        self._recent = dict.fromkeys(recent)

    def take(self, body: bytes, now: float) -> tuple[Taken, int]:
        """Journal and queue a batch, of so many rows; raises BatchRefused or JournalRefused."""
        head = read_head(body)
        if head.batch_id in self._recent:
            return Taken.DUPLICATE, head.rows
        # Before its columns are read: who sheds has no time for them.
        if len(self._waiting) >= self._limit:
            return Taken.SHED, head.rows
        batch = read_batch(body)
        # Windows are closed by these times: a clock that is set back must not reopen one.
        self._latest = max(self._latest, now)
        record = self._journal.append(self._latest, body)
        if len(self._waiting) < _KEPT_READ:
            record = replace(record, batch=batch)
        self._waiting.append(record)
        self._remember(batch.batch_id)
        self._arrived.set()
        return Taken.ACCEPTED, batch.rows

    def recover(self, records: Iterable[Record]) -> int:
        """Queue what the journal holds beyond the tables, however much it is."""
        for record in records:
            try:
                head = read_head(record.body)
                read_batch(record.body)
            except BatchRefused as refused:
                # Written by another release of this service; it would stop the queue for good.
                _log.error("record %d of the journal is left out: %s", record.seq, refused)
                continue
            self._waiting.append(record)
            self._latest = max(self._latest, record.received_at)
            self._remember(head.batch_id)
        return len(self._waiting)

    async def wait(self) -> None:
        """Return when there is, or may be, a record to count."""
        if not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()

    def wake(self) -> None:
        """Make `wait` return although nothing arrived."""
        self._arrived.set()

    def first(self, count: int) -> list[Record]:
        """Return the oldest records; they stay until `done`, so a failure loses none."""
        return [self._waiting[index] for index in range(min(count, len(self._waiting)))]

    def done(self, records: list[Record]) -> None:
        """Drop records that are in the tables."""
        for _ in records:
            self._waiting.popleft()

    def counted_until(self, now: float) -> float:
        """Return the time up to which everything that arrived is in the tables."""
        return self._waiting[0].received_at if self._waiting else now

    def __len__(self) -> int:
        """Batches waiting."""
        return len(self._waiting)

    def _remember(self, batch_id: str) -> None:
        self._recent[batch_id] = None
        if len(self._recent) > RECENT_BATCHES:
            del self._recent[next(iter(self._recent))]
