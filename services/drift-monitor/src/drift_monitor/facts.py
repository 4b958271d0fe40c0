"""All that a report on a model is made from: counts, series and findings of some time, as JSON.

Nothing is judged here and nothing drawn: the report's job does that, from this document alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from drift_monitor.buckets import Bucket, PastReading, add_up
from drift_monitor.labelling import Drawn
from drift_monitor.ports import Transaction, Version
from drift_monitor.quality_schemas import bounds_page, quality_page
from drift_monitor.references import Reference
from drift_monitor.schemas import finding_page
from drift_monitor.shelf import Shelf
from drift_monitor.sketches import MEASURES
from drift_monitor.watch_quality import Promise, assess
from drift_monitor.windows import ALL
from drift_monitor.yardsticks import Totals
from stats.estimated_accuracy import estimated_accuracy

# A week of hours; longer times are thinned out to it.
_POINTS = 168


def report_facts(
    transaction: Transaction,
    shelf: Shelf,
    model: str,
    times: tuple[float, float],
    promise: Promise,
) -> dict[str, Any] | None:
    """Return a model's facts in [start, end); None when no version has rows in it."""
    start, end = times
    versions = []
    for version in transaction.registered.versions(model):
        buckets = transaction.buckets.between(version.digest, start, end)
        reference = shelf.find(version.digest, version.labels) if buckets else None
        if reference is not None:
            known = _Known(transaction, version, reference, times, promise)
            versions.append(known.page(buckets))
    if not versions:
        return None
    findings = transaction.findings.of_model(model)
    return {
        "model": model,
        "start": start,
        "end": end,
        "accuracy_loss": promise.accuracy_loss,
        "versions": sorted(versions, key=lambda page: -page["rows"]),
        "findings": [
            finding_page(f) for f in findings if f.confirmed_at >= start and f.since < end
        ],
    }


class _Known:
    """What is known of one version in [start, end)."""

    def __init__(
        self,
        transaction: Transaction,
        version: Version,
        reference: Reference,
        times: tuple[float, float],
        promise: Promise,
    ) -> None:
        self._transaction = transaction
        self._version = version
        self._reference = reference
        self._times = times
        self._promise = promise

    def page(self, buckets: Sequence[Bucket]) -> dict[str, Any]:
        """Return the version's part of the facts."""
        start, end = self._times
        digest, length = self._version.digest, end - start
        before = self._transaction.buckets.between(digest, start - length, start)
        on_all = [bucket for bucket in buckets if bucket.slice == ALL]
        quality = assess(
            self._transaction, self._version, self._reference, self._times, self._promise
        )
        cosine = self._transaction.drift.cosine(digest)
        drawn = self._transaction.sample.drawn(digest, start - self._promise.cohort_seconds)
        return {
            "digest": digest,
            "labels": list(self._version.labels),
            "rows": sum(bucket.n for bucket in on_all),
            "rows_before": sum(bucket.n for bucket in before if bucket.slice == ALL),
            "naive_cosine": cosine.distance if cosine else None,
            "naive_cosine_false_alarms": cosine.false_alarms if cosine else None,
            "reference": self._reference_page(),
            "quality": [quality_page(known) for known in quality],
            "slices": [self._slice_page(known.slice, buckets) for known in quality],
            "series": [self._point(part) for part in _thinned(on_all)],
            "signals": _signals(self._transaction.buckets.readings(digest, start, end)),
            "labelling": [_cohort_page(cohort, drawn) for cohort in _cohorts(drawn)],
        }

    def _reference_page(self) -> dict[str, Any]:
        rows = self._reference.rows
        counts = np.bincount(rows.label, minlength=len(self._version.labels))
        return {
            "rows": len(rows),
            "accuracy": self._reference.accuracy_on(ALL),
            "label_shares": (counts / len(rows)).tolist(),
            "means": {name: float(rows.measures[name].mean()) for name in MEASURES},
        }

    def _slice_page(self, name: str, buckets: Sequence[Bucket]) -> dict[str, Any]:
        totals = self._totals([bucket for bucket in buckets if bucket.slice == name])
        return {"slice": name} | _told(totals)

    def _point(self, buckets: Sequence[Bucket]) -> dict[str, Any]:
        totals = self._totals(buckets)
        calibration = self._reference.yardstick.calibration
        estimated = bounds_page(estimated_accuracy(totals.worths, calibration))
        return {"start": buckets[0].start, "estimated": estimated} | _told(totals)

    def _totals(self, buckets: Sequence[Bucket]) -> Totals:
        yardstick = self._reference.yardstick
        return yardstick.totals(*(add_up(buckets) or (0, np.zeros(yardstick.width))))


def _told(totals: Totals) -> dict[str, Any]:
    n = max(totals.n, 1)
    return {
        "rows": totals.n,
        "novelty": totals.novel / n,
        "label_shares": (totals.labels / n).tolist(),
        "means": dict(zip(MEASURES, totals.means.tolist(), strict=True)),
    }


def _thinned(buckets: Sequence[Bucket]) -> list[Sequence[Bucket]]:
    step = -(-len(buckets) // _POINTS) or 1
    return [buckets[i : i + step] for i in range(0, len(buckets), step)]


def _signals(readings: Sequence[PastReading]) -> list[dict[str, Any]]:
    by_signal: dict[tuple[str, str], list[PastReading]] = {}
    for reading in readings:
        by_signal.setdefault((reading.slice, reading.detector), []).append(reading)
    return [
        {
            "slice": slice_name,
            "detector": detector,
            "threshold": held[-1].threshold,
            "windows": len(held),
            "smallest_p": min(reading.p_value for reading in held),
            "crossings": sum(reading.cusum > reading.threshold for reading in held),
            "series": [
                {"end": reading.end, "n": reading.n, "cusum": reading.cusum}
                for reading in held[:: -(-len(held) // _POINTS) or 1]
            ],
        }
        for (slice_name, detector), held in sorted(by_signal.items())
    ]


def _cohorts(drawn: Sequence[Drawn]) -> list[float]:
    return sorted({row.cohort for row in drawn})


def _cohort_page(cohort: float, drawn: Sequence[Drawn]) -> dict[str, Any]:
    listed = [row for row in drawn if row.cohort == cohort]
    waits = [row.labelled_at - row.time for row in listed if row.labelled_at is not None]
    return {
        "cohort": cohort,
        "listed": len(listed),
        "labelled": len(waits),
        "median_delay_seconds": float(np.median(waits)) if waits else None,
    }
