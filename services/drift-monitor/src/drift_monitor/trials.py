"""One closed Window and what it is compared with: readings of its signals, and findings in words.

A Window of a Slice is compared with its Reference. One of arrivals counts all events, answered or
not, and needs none: that many requests are refused is wrong whatever the texts are.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from drift_monitor.detectors import (
    DETECTORS,
    NAIVE_COSINE_LIMIT,
    Cosine,
    Sample,
    comparable,
    cosines,
    counted_p_values,
    statistics,
)
from drift_monitor.findings import Finding, Shift, describe_shift, sentence
from drift_monitor.monitors import Monitor, Reading
from drift_monitor.ports import Version
from drift_monitor.quality import Quality
from drift_monitor.quiet import Quiet
from drift_monitor.references import Reference
from drift_monitor.severity import decide_severity
from drift_monitor.windows import OUTCOMES, Window
from stats.page_budget import Limit, independent_curves
from stats.rates import excess_p

BROKEN = frozenset({"empty", "rejected"})
"""Signals that say that what arrives is broken, whatever it does to the model."""
# Of a thousand events so many may be rejected or fail: callers make mistakes, and outages have
# alerts of their own.
_ACCEPTED, _OF = 50.0, 1000.0


class Trial(Protocol):
    """What a Window says about its signals."""

    @property
    def version(self) -> Version:
        """The version whose traffic it is."""

    @property
    def window(self) -> Window:
        """What is tried."""

    def readings(self) -> Mapping[str, Reading]:
        """Return what the Window says about each signal."""

    def limits(self, rate: float) -> Mapping[str, Limit]:
        """Return how to set each signal's CUSUM for so many false findings a Window."""

    def shift(self, detector: str) -> Shift:
        """Say in words how a signal differs from what was accepted."""


@dataclass(frozen=True)
class SliceTrial:
    """A Window of a Slice beside its Reference."""

    version: Version
    window: Window
    reference: Reference
    accepted: Sample
    quiet: Quiet

    def readings(self) -> Mapping[str, Reading]:
        """Return what the Window says about each signal."""
        n, mean, sketcher = self.window.n, self._mean, self.reference.sketcher
        found = statistics(sketcher, n, mean.mean, self.accepted)
        values = comparable(found, n, self.accepted.n)
        counted = counted_p_values(sketcher, mean, self.accepted)
        resampled = {
            name: _reading(self.window, float(values[name]), p)
            for name, p in self.quiet.p_values_of_one(values, n).items()
        }
        return resampled | {name: _reading(self.window, p, p) for name, p in counted.items()}

    def limits(self, rate: float) -> Mapping[str, Limit]:
        """Return what was simulated for this part of the Reference."""
        return self.quiet.limits(DETECTORS, rate)

    def shift(self, detector: str) -> Shift:
        """Say in words how a signal differs from the Reference."""
        return describe_shift(detector, self.reference.sketcher, self._mean, self.accepted)

    def cosine(self) -> Cosine:
        """Return what the naive rule says, which decides nothing."""
        limit = {"cosine": np.asarray(NAIVE_COSINE_LIMIT)}
        return Cosine(
            float(cosines(self.reference.sketcher, self._mean.mean, self.accepted)),
            self.quiet.p_values_of_one(limit, self.window.n)["cosine"],
        )

    @property
    def _mean(self) -> Sample:
        return Sample(self.window.n, self.window.sums / self.window.n)


@dataclass(frozen=True)
class ArrivalsTrial:
    """A Window of all events of a version."""

    version: Version
    window: Window

    def readings(self) -> Mapping[str, Reading]:
        """Return how many events were rejected or failed, beside how many may be."""
        n = self.window.n
        return {
            name: _reading(self.window, count / n, excess_p(round(count), n, _ACCEPTED, _OF))
            for name, count in self._counts().items()
        }

    def limits(self, rate: float) -> Mapping[str, Limit]:
        """Return the limit of signals whose p-values are exact."""
        return dict.fromkeys(OUTCOMES, independent_curves().limit(rate))

    def shift(self, detector: str) -> Shift:
        """Say which share it is."""
        share = self._counts()[detector] / self.window.n
        return Shift("up", f"share of {detector} requests {share:.1%}")

    def _counts(self) -> dict[str, float]:
        return dict(zip(OUTCOMES, self.window.sums.tolist(), strict=True))


def step_monitors(trial: Trial, monitors: Mapping[str, Monitor], rate: float) -> dict[str, Monitor]:
    """Return a Slice's monitors after one more Window; `rate` is of false findings a Window."""
    limits = trial.limits(rate)
    return {
        detector: monitors.get(detector, Monitor()).step(reading, limits[detector])
        for detector, reading in trial.readings().items()
    }


def write_finding(
    trial: Trial, detector: str, monitor: Monitor, quality: Quality | None, now: float
) -> Finding:
    """Write the finding that a Window makes due or confirms."""
    shift = trial.shift(detector)
    decision = decide_severity(quality, broken=detector in BROKEN)
    return Finding(
        id=monitor.finding or _finding_id(trial.window, detector),
        model=trial.version.model,
        digest=trial.version.digest,
        slice=trial.window.slice,
        detector=detector,
        direction=shift.direction,
        size=shift.size,
        since=monitor.began,
        found_at=now,
        confirmed_at=now,
        severity=decision.severity.value,
        verdict=decision.outcome.value,
        because=decision.because,
        text=sentence(trial.window.slice, detector, shift, monitor),
    )


def _reading(window: Window, statistic: float, p_value: float) -> Reading:
    return Reading(window.start, window.end, window.n, statistic, p_value, window.seen)


def _finding_id(window: Window, detector: str) -> str:
    """Name a finding by what it is about, so that a repeated test finds the same one."""
    about = f"{window.version} {window.slice} {detector} {window.start}"
    return hashlib.sha256(about.encode()).hexdigest()[:16]
