"""Counting journalled batches into the tables: answers for pairing, sums for drift.

One transaction for a few batches together with the journal's mark, so each is counted exactly
once. The Windows' clock is the time of arrival as journalled: a replay closes the same Windows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from drift_monitor.answers import answers_of
from drift_monitor.batches import EventBatch, read_batch
from drift_monitor.ports import Record, Store, Transaction, Version
from drift_monitor.references import Reference, rows_of
from drift_monitor.shelf import Shelf
from drift_monitor.windows import Window, boundary_after, slices_of

# Callers name slices; without a bound one that sends a fresh value each time fills the disk.
_MOST_SLICES = 30


@dataclass
class Counted:
    """What one transaction counted, for the metrics."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (model, outcome)."""
    unreferenced: int = 0
    answers_refused: int = 0
    slices_refused: int = 0


@dataclass(frozen=True)
class Rules:
    """What counting depends on beside the batches."""

    window_seconds: float
    pair_limit: int


def count_records(records: Iterable[Record], store: Store, shelf: Shelf, rules: Rules) -> Counted:
    """Count records in order; raises StoreUnavailable, with nothing counted."""
    counted = Counted()
    batches = [(record, read_batch(record.body)) for record in records]
    # Fetched before the transaction: a slow registry must not lock the tables.
    references = {b.version: shelf.find(b.version, b.labels) for _, b in batches}
    with store.begin() as transaction:
        counting = _Counting(transaction, references, rules, counted)
        for record, batch in batches:
            if transaction.progress.is_new(batch.batch_id, record.received_at):
                counting.add(record, batch)
            transaction.progress.advance(record.seq)
    return counted


def close_windows(store: Store, now: float, window_seconds: float) -> None:
    """Close the Windows that are over, also on Slices where nothing arrives any more."""
    with store.begin() as transaction:
        for window in transaction.drift.windows(closed=False):
            _roll(transaction, window, now, window_seconds)


@dataclass(frozen=True)
class _Counting:
    """One transaction's surroundings."""

    transaction: Transaction
    references: Mapping[str, Reference | None]
    rules: Rules
    counted: Counted

    def add(self, record: Record, batch: EventBatch) -> None:
        self.counted.events.update((batch.model, outcome) for outcome in batch.outcome)
        version = self.transaction.registered.version(batch.model, batch.version, batch.labels)
        if self._is_full(version):
            self.counted.answers_refused += batch.rows
            self._note_full(version, float(batch.time.min()))
        else:
            self.transaction.answers.add(version, record.received_at, answers_of(batch))
        answered = int(batch.answered.sum())
        reference = self.references[batch.version]
        if reference is None or reference.sketcher.labels != batch.labels:
            self.counted.unreferenced += answered
        elif answered:
            self._add_sums(record.received_at, batch, reference)

    def _is_full(self, version: Version) -> bool:
        """Say whether a paired version has answers enough.

        The Candidate may keep twice as many, or its answers would end before the Baseline's.
        """
        pairings = self.transaction.registered.pairings(version.model)
        current = [pairing for pairing in pairings if pairing.until is None]
        roles = {p.candidate: 2 for p in current} | {p.baseline: 1 for p in current}
        if version.digest not in roles:
            return False
        limit = roles[version.digest] * self.rules.pair_limit
        return self.transaction.answers.count(version) >= limit

    def _note_full(self, version: Version, at: float) -> None:
        """Whatever else comes counts for no pairing of this version, from `at` on."""
        registered = self.transaction.registered
        for pairing in registered.pairings(version.model):
            named = version.digest in (pairing.baseline, pairing.candidate)
            if named and pairing.until is None and (pairing.full_at or inf) > at:
                registered.put([replace(pairing, full_at=at)])

    def _add_sums(self, at: float, batch: EventBatch, reference: Reference) -> None:
        vectors = reference.sketcher.vectors(rows_of(batch))
        for name, chosen in _slices(batch).items():
            if reference.sample(name) is None:
                continue
            window = self._window(batch.version, name, at, reference.sketcher.width)
            if window is None:
                self.counted.slices_refused += len(chosen)
            else:
                added = window.add(len(chosen), vectors[chosen].sum(axis=0))
                self.transaction.drift.save_window(added)

    def _window(self, version: str, name: str, at: float, width: int) -> Window | None:
        drift, seconds = self.transaction.drift, self.rules.window_seconds
        window = drift.open_window(version, name)
        if window is not None:
            window = _roll(self.transaction, window, at, seconds)
        elif len(drift.slices(version) - {name}) >= _MOST_SLICES:
            return None
        end = boundary_after(at, seconds)
        return window or Window(version, name, end - seconds, end, 0, np.zeros(width))


def _slices(batch: EventBatch) -> dict[str, list[int]]:
    """Return the positions, among the answered rows, of each Slice's rows."""
    positions: dict[str, list[int]] = {}
    for position, row in enumerate(np.flatnonzero(batch.answered)):
        for name in slices_of(float(batch.words[row]), batch.slices[row]):
            positions.setdefault(name, []).append(position)
    return positions


def _roll(transaction: Transaction, window: Window, now: float, seconds: float) -> Window | None:
    """Close a complete Window (None), extend one that is over with too few rows, or keep it."""
    if window.is_complete(now):
        transaction.drift.save_window(window, closed=True)
        return None
    if now >= window.end:
        window = window.extended(seconds, now)
        transaction.drift.save_window(window)
    return window
