"""Making lists of what to label, and saying what is known of quality, from the tables.

The lists of a cohort are made once, when it is over. What is measured is from the newest cohort
with enough labels; whether quality has degraded is from every label of the last quarter, one by
one as they came.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, log

import numpy as np

from drift_monitor.buckets import Bucket, add_up
from drift_monitor.judge import QualityOf
from drift_monitor.labelling import Drawn, choose
from drift_monitor.ports import Store, Transaction, Version
from drift_monitor.quality import Quality
from drift_monitor.references import Reference
from drift_monitor.shelf import Shelf
from drift_monitor.windows import ALL, Window
from drift_monitor.yardsticks import STRATA, Totals
from stats.bounds import Bounds
from stats.degradation import log_e_above
from stats.estimated_accuracy import estimated_accuracy
from stats.measured_accuracy import FEWEST_LABELS, Guessed, Labelled, measured_accuracy

_QUARTER_SECONDS = 91 * 86_400.0
_ALPHA = 0.05


@dataclass(frozen=True)
class Promise:
    """How much accuracy a version may lose against its Reference, how long a cohort is, and of
    how much traffic quality is told.
    """

    accuracy_loss: float
    cohort_seconds: float
    quality_seconds: float


def close_cohorts(store: Store, shelf: Shelf, counted_until: float, promise: Promise) -> None:
    """Make the lists of the cohorts that are over, and whose rows are all counted."""
    with store.read() as transaction:
        versions = {version.digest: version for version in transaction.registered.versions()}
        cohorts = transaction.sample.open_cohorts()
    for digest, cohort in cohorts:
        version, over = versions[digest], cohort + promise.cohort_seconds
        reference = shelf.find(digest, version.labels) if over <= counted_until else None
        if reference is not None:
            with store.begin() as transaction:
                _close(transaction, reference, digest, (cohort, over))


def assess(
    transaction: Transaction,
    version: Version,
    reference: Reference,
    times: tuple[float, float],
    promise: Promise,
) -> list[Quality]:
    """Return what is known of each Slice's quality in [start, end)."""
    start, end = times
    buckets = transaction.buckets.between(version.digest, start, end)
    drawn = transaction.sample.drawn(version.digest, end - _QUARTER_SECONDS)
    cohorts = _Cohorts(transaction, version, reference, promise)
    found = []
    for name in sorted({bucket.slice for bucket in buckets}):
        totals = _totals(reference, [b for b in buckets if b.slice == name])
        floor = reference.accuracy_on(name) - promise.accuracy_loss
        on_slice = [row for row in drawn if name in row.slices]
        measured, measured_until = cohorts.measured(name, on_slice)
        found.append(
            Quality(
                slice=name,
                start=start,
                end=end,
                floor=floor,
                novelty=totals.novel / totals.n,
                estimated=estimated_accuracy(totals.worths, reference.yardstick.calibration),
                measured=measured,
                degraded=name == ALL and cohorts.degraded(on_slice, floor),
                measured_until=measured_until,
            )
        )
    return found


def known(promise: Promise) -> QualityOf:
    """Return how to ask what is known of the quality on a Window's Slice when it ended."""

    def ask(
        transaction: Transaction, version: Version, reference: Reference, window: Window
    ) -> Quality | None:
        times = (window.end - promise.quality_seconds, window.end)
        told = assess(transaction, version, reference, times, promise)
        return next((quality for quality in told if quality.slice == window.slice), None)

    return ask


@dataclass(frozen=True)
class _Cohorts:
    """The lists of one version."""

    transaction: Transaction
    version: Version
    reference: Reference
    promise: Promise
    read: dict[float, list[Bucket]] = field(default_factory=dict)

    def measured(self, name: str, drawn: Sequence[Drawn]) -> tuple[Bounds | None, float]:
        """Measure the newest cohort that has labels enough; also tell when it ended."""
        for cohort in sorted({row.cohort for row in drawn}, reverse=True):
            labelled = [row for row in drawn if row.cohort == cohort and row.truth is not None]
            totals = self._of_cohort(name, cohort)
            if len(labelled) >= FEWEST_LABELS and totals is not None:
                worths, rate = totals.worths, self.reference.yardstick.calibration.rate
                mean = float(worths @ rate) / totals.n
                variance = float(worths @ (rate - mean) ** 2) / totals.n
                guessed = Guessed(totals.n, mean, variance)
                bounds = measured_accuracy(_labelled(labelled), guessed, _ALPHA / 2)
                return bounds, cohort + self.promise.cohort_seconds
        return None, inf

    def degraded(self, drawn: Sequence[Drawn], floor: float) -> bool:
        """Say whether labels, one by one as they came, put the error above what was promised."""
        weights = {}
        for cohort in {row.cohort for row in drawn}:
            totals = self._of_cohort(ALL, cohort)
            listed = sum(row.cohort == cohort for row in drawn)
            if totals is not None:
                weights[cohort] = listed / totals.n
        wrong = [
            float(row.truth != row.label) * weights[row.cohort] / row.probability
            for row in drawn
            if row.truth is not None and row.cohort in weights
        ]
        limit = min(max(1 - floor, 0.001), 0.999)
        return log_e_above(np.array(wrong), limit) >= log(1 / _ALPHA)

    def _of_cohort(self, name: str, cohort: float) -> Totals | None:
        if cohort not in self.read:
            over = cohort + self.promise.cohort_seconds
            between = self.transaction.buckets.between
            self.read[cohort] = between(self.version.digest, cohort, over)
        of_slice = [bucket for bucket in self.read[cohort] if bucket.slice == name]
        return _totals(self.reference, of_slice) if of_slice else None


def _close(
    transaction: Transaction, reference: Reference, digest: str, times: tuple[float, float]
) -> None:
    cohort, over = times
    # Rows that came after its list was made are left out: the probabilities are given away.
    listed = any(row.cohort == cohort for row in transaction.sample.drawn(digest, cohort))
    buckets = [b for b in transaction.buckets.between(digest, cohort, over) if b.slice == ALL]
    population = [0.0] * len(STRATA)
    if buckets:
        population = _totals(reference, buckets).strata.tolist()
    candidates = transaction.sample.candidates(digest, cohort)
    transaction.sample.close(digest, cohort, {} if listed else choose(candidates, population))


def _totals(reference: Reference, buckets: Sequence[Bucket]) -> Totals:
    n, sums = add_up(buckets) or (0, np.zeros(reference.yardstick.width))
    return reference.yardstick.totals(n, sums)


def _labelled(drawn: Sequence[Drawn]) -> Labelled:
    return Labelled(
        np.array([float(row.truth == row.label) for row in drawn]),
        np.array([row.worth for row in drawn]),
        np.array([row.probability for row in drawn]),
    )
