"""Counting journalled batches into the tables: answers for pairing, sums for drift and quality.

One transaction for a few batches together with the journal's mark, so each is counted exactly
once. The Windows' clock is the time of arrival as journalled: a replay closes the same Windows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import inf

import numpy as np
from numpy.typing import NDArray

from drift_monitor.answers import answers_of
from drift_monitor.batches import EventBatch, read_batch
from drift_monitor.buckets import Bucket, cohort_of
from drift_monitor.labelling import HIGHEST_PRIORITY, Candidate, priorities_of
from drift_monitor.pace import Pace
from drift_monitor.pairings import Pairing
from drift_monitor.ports import Record, Store, Transaction, Version
from drift_monitor.references import Reference
from drift_monitor.shelf import Shelf
from drift_monitor.traffic_samples import Keeping, day_of
from drift_monitor.tranches import Part, Sums, Tranche, requests_in, tranches
from drift_monitor.windows import ARRIVALS, OUTCOMES, Window, boundary_after
from drift_monitor.yardsticks import STRATA, Measured

# Callers name slices; without a bound one that sends a fresh value each time fills the disk.
_MOST_SLICES = 30
# The Candidate may keep twice what the Baseline does, or its answers would end before; which of
# them a version will be is not known while there is no pairing.
_SHARE_HELD = 2


@dataclass
class Counted:
    """What one transaction counted, for the metrics."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (model, outcome)."""
    requests: Counter[str] = field(default_factory=Counter)
    """By model."""
    unreferenced: int = 0
    answers_refused: int = 0
    slices_refused: int = 0


@dataclass(frozen=True)
class Rules:
    """What counting depends on beside the batches."""

    window_seconds: float
    pair_limit: int
    cohort_seconds: float = 7 * 86_400.0
    pace: Pace = field(default_factory=Pace)


def count_records(records: Sequence[Record], store: Store, shelf: Shelf, rules: Rules) -> Counted:
    """Count records in order; raises StoreUnavailable, with nothing counted."""
    batches = [(record, record.batch or read_batch(record.body)) for record in records]
    # Fetched before the transaction: a slow registry must not lock the tables.
    references = {b.version: shelf.find(b.version, b.labels) for _, b in batches}
    with store.begin() as transaction:
        # The first of each id: a sender may repeat one within seconds.
        each = {batch.batch_id: (record, batch) for record, batch in reversed(batches)}
        times = {batch_id: record.received_at for batch_id, (record, _) in each.items()}
        new = transaction.progress.note_new(times)
        fresh = [(r, b) for r, b in batches if b.batch_id in new and each[b.batch_id][0] is r]
        transaction.progress.advance(records[-1].seq)
        counting = _Counting(transaction, references, rules, Counted())
        for record, batch in fresh:
            counting.add_answers(record, batch)
        counting.drop_held()
        for tranche in tranches(fresh, rules.window_seconds):
            counting.add_sums(tranche)
    return counting.counted


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
    versions: dict[tuple[str, str, tuple[str, ...]], Version] = field(default_factory=dict)
    room: dict[int, float] = field(default_factory=dict)
    """How many more answers may be kept, by the row of a version."""

    def add_answers(self, record: Record, batch: EventBatch) -> None:
        self.counted.events.update({(batch.model, o): n for o, n in Counter(batch.outcome).items()})
        self.counted.requests[batch.model] += requests_in(batch)
        version = self._version(batch)
        room = self._room(version)
        if room == inf:
            self.transaction.answers.hold(version, record.received_at, answers_of(batch))
        elif room <= 0:
            self.counted.answers_refused += batch.rows
            self._note_full(version, float(batch.time.min()))
        else:
            self.transaction.answers.add(version, record.received_at, answers_of(batch).rows())
            self.room[version.row] -= batch.rows

    def drop_held(self) -> None:
        """Hold no more than a pairing would keep: the newest."""
        for version in self.versions.values():
            if self._room(version) == inf:
                self.transaction.answers.drop_held(version, _SHARE_HELD * self.rules.pair_limit)

    def _version(self, batch: EventBatch) -> Version:
        named = (batch.model, batch.version, batch.labels)
        if named not in self.versions:
            self.versions[named] = self.transaction.registered.version(*named)
        return self.versions[named]

    def _room(self, version: Version) -> float:
        """Say how many more answers of a version are wanted as rows: inf without a pairing."""
        if version.row not in self.room:
            pairings = self.transaction.registered.pairings(version.model)
            current = [pairing for pairing in pairings if pairing.until is None]
            self.room[version.row] = min([inf, *(self._room_in(p, version) for p in current)])
        return self.room[version.row]

    def _room_in(self, pairing: Pairing, version: Version) -> float:
        """What earlier pairings keep takes no room: a Baseline may be compared again and again."""
        shares = {pairing.candidate: _SHARE_HELD, pairing.baseline: 1}
        if version.digest not in shares:
            return inf
        kept = self.transaction.answers.count(version, pairing.since)
        return shares[version.digest] * self.rules.pair_limit - kept

    def _note_full(self, version: Version, at: float) -> None:
        """Whatever else comes counts for no pairing of this version, from `at` on."""
        registered = self.transaction.registered
        for pairing in registered.pairings(version.model):
            named = version.digest in (pairing.baseline, pairing.candidate)
            if named and pairing.until is None and (pairing.full_at or inf) > at:
                registered.put([replace(pairing, full_at=at)])

    def add_sums(self, tranche: Tranche) -> None:
        self._add_arrivals(tranche)
        reference = self.references[tranche.first.version]
        answered = sum(int(batch.answered.sum()) for batch in tranche.batches)
        if reference is None or reference.sketcher.labels != tranche.first.labels:
            self.counted.unreferenced += answered
        elif answered:
            self._add_parts(tranche, reference)

    def _add_arrivals(self, tranche: Tranche) -> None:
        outcomes = Counter(chain.from_iterable(batch.outcome for batch in tranche.batches))
        rejected, answered = outcomes["rejected"], outcomes["ok"]
        events = outcomes.total()
        sums = np.array([rejected, events - rejected - answered], dtype=np.float64)
        version = tranche.first.version
        window = self._window(version, ARRIVALS, tranche.received_at, len(OUTCOMES))
        self.transaction.drift.save_window(window.add(events, sums))

    def _add_parts(self, tranche: Tranche, reference: Reference) -> None:
        version = tranche.first.version

        def share_of(name: str) -> float:
            accepted = reference.sample(name)
            return self.rules.pace.share(version, name, accepted.n) if accepted else 0.0

        admitted, languages = self._admitted(tranche, reference), reference.parts.languages
        offer, keeping = self._open_offer(tranche), self._open_keeping(tranche)
        total: dict[str, Sums] = {}
        for part in tranche.parts(admitted.__contains__, languages):
            measured, sums = part.sums(reference.sketcher, reference.yardstick, share_of)
            # The same numbers for both: which rows are listed says nothing of what they are like.
            priorities = priorities_of(part.request_ids, offer.cohort)
            offer.add(part, measured, priorities)
            keeping.add(part.rows, priorities, tranche.received_at)
            for name, of_slice in sums.items():
                total[name] = total[name] + of_slice if name in total else of_slice
        self.transaction.sample.offer(version, offer.cohort, offer.candidates)
        self.transaction.traffic.keep(version, keeping.kept())
        for name, of_slice in total.items():
            self._add_slice(tranche, reference, name, of_slice)

    def _admitted(self, tranche: Tranche, reference: Reference) -> set[str]:
        """Choose the callers' Slices there is room for; the others are not even added up."""
        known = self.transaction.drift.slices(tranche.first.version)
        known = known | {ARRIVALS, *reference.parts.rows}
        new = [name for name in tranche.named if name not in known]
        room = max(0, _MOST_SLICES - len(known))
        self.counted.slices_refused += sum(tranche.named[name] for name in new[room:])
        return known.union(new[:room])

    def _open_offer(self, tranche: Tranche) -> "_Offer":
        cohort = cohort_of(tranche.start, self.rules.cohort_seconds)
        full = self.transaction.sample.full_strata(tranche.first.version, cohort)
        return _Offer(cohort, full, tranche)

    def _open_keeping(self, tranche: Tranche) -> Keeping:
        day = day_of(tranche.start)
        return Keeping(day, self.transaction.traffic.highest(tranche.first.version, day))

    def _add_slice(self, tranche: Tranche, reference: Reference, name: str, sums: Sums) -> None:
        version = tranche.first.version
        if reference.sample(name) is not None:
            window = self._window(version, name, tranche.received_at, reference.sketcher.width)
            self.transaction.drift.save_window(window.add(sums.n, sums.sketched, sums.seen))
        self.transaction.buckets.add(Bucket(version, name, tranche.start, sums.seen, sums.counted))

    def _window(self, version: str, name: str, at: float, width: int) -> Window:
        drift, seconds = self.transaction.drift, self.rules.window_seconds
        window = drift.open_window(version, name)
        if window is not None:
            window = _roll(self.transaction, window, at, seconds)
        if window is not None:
            return window
        # A clock that was set back, or a replica that is late, must not reopen what is closed.
        end = boundary_after(max(at, drift.closed_until(version, name)), seconds)
        return Window(version, name, end - seconds, end, 0, np.zeros(width))


@dataclass
class _Offer:
    """Rows of a tranche whose priority is low enough in their stratum to be labelled."""

    cohort: float
    full: Mapping[int, int]
    """The largest priority of strata that have enough."""
    tranche: Tranche
    candidates: list[Candidate] = field(default_factory=list)

    def add(self, part: Part, measured: Measured, priorities: NDArray[np.int64]) -> None:
        most = np.full(len(STRATA), HIGHEST_PRIORITY)
        most[list(self.full)] = list(self.full.values())
        for position in np.flatnonzero(priorities <= most[measured.strata]).tolist():
            label = self.tranche.first.labels[measured.rows.label[position]]
            candidate = Candidate(
                part.request_ids[position],
                int(measured.strata[position]),
                int(priorities[position]),
                label,
                float(measured.worth[position]),
                self.tranche.received_at,
                part.slices(position),
            )
            self.candidates.append(candidate)


def _roll(transaction: Transaction, window: Window, now: float, seconds: float) -> Window | None:
    """Close a complete Window (None), extend one that is over with too few rows, or keep it."""
    if window.is_complete(now):
        transaction.drift.save_window(window, closed=True)
        return None
    if now >= window.end:
        window = window.extended(seconds, now)
        transaction.drift.save_window(window)
    return window
