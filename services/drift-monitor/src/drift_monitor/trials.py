"""One closed Window and what it is compared with: readings of its signals, and findings in words.

A Window of a Slice is compared with the version's Reference and, where there is any, with accepted
traffic: what differs from that is drift, what differs from the Reference alone is skew. A Window of
arrivals counts all events, answered or not, and needs neither: that many requests are refused is
wrong whatever the texts are.
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
from drift_monitor.signals import ACCEPTED, AGAINST_ACCEPTED, detector_of, is_against_accepted
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

    def shift(self, signal: str) -> Shift:
        """Say in words how a signal differs from what was accepted."""

    def is_skew(self, signal: str) -> bool:
        """Say whether it tells of training rather than of drift."""


@dataclass(frozen=True)
class Standard:
    """What a Window of a Slice is compared with, and what quiet Windows do."""

    sample: Sample
    quiet: Quiet


@dataclass(frozen=True)
class SliceTrial:
    """A Window of a Slice beside its Reference, and beside accepted traffic where there is any."""

    version: Version
    window: Window
    reference: Reference
    own: Standard
    accepted: Standard | None = None

    def readings(self) -> Mapping[str, Reading]:
        """Return what the Window says about each signal."""
        found = self._against(self.own)
        if self.accepted is not None:
            beside = self._against(self.accepted)
            found |= {ACCEPTED + name: beside[name] for name in AGAINST_ACCEPTED}
        return found

    def limits(self, rate: float) -> Mapping[str, Limit]:
        """Return what was simulated for this part of each Reference."""
        found = dict(self.own.quiet.limits(DETECTORS, rate))
        if self.accepted is not None:
            limits = self.accepted.quiet.limits(AGAINST_ACCEPTED, rate)
            found |= {ACCEPTED + name: limit for name, limit in limits.items()}
        return found

    def shift(self, signal: str) -> Shift:
        """Say in words how a signal differs from what it compares with."""
        against = self.accepted if is_against_accepted(signal) else None
        sample = (against or self.own).sample
        return describe_shift(detector_of(signal), self.reference.sketcher, self._mean, sample)

    def is_skew(self, signal: str) -> bool:
        """Say whether a signal compares with the Reference although traffic was accepted."""
        return self.accepted is not None and not is_against_accepted(signal)

    def cosine(self) -> Cosine:
        """Return what the naive rule says, which decides nothing."""
        limit = {"cosine": np.asarray(NAIVE_COSINE_LIMIT)}
        return Cosine(
            float(cosines(self.reference.sketcher, self._mean.mean, self.own.sample)),
            self.own.quiet.p_values_of_one(limit, self.window.n)["cosine"],
        )

    def _against(self, standard: Standard) -> dict[str, Reading]:
        n, mean, sketcher = self.window.n, self._mean, self.reference.sketcher
        found = statistics(sketcher, n, mean.mean, standard.sample)
        values = comparable(found, n, standard.sample.n)
        counted = counted_p_values(sketcher, mean, standard.sample)
        resampled = {
            name: _reading(self.window, float(values[name]), p)
            for name, p in standard.quiet.p_values_of_one(values, n).items()
        }
        return resampled | {name: _reading(self.window, p, p) for name, p in counted.items()}

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

    def shift(self, signal: str) -> Shift:
        """Say which share it is."""
        share = self._counts()[signal] / self.window.n
        return Shift("up", f"share of {signal} requests {share:.1%}")

    def is_skew(self, _signal: str) -> bool:
        """Arrivals have no Reference."""
        return False

    def _counts(self) -> dict[str, float]:
        return dict(zip(OUTCOMES, self.window.sums.tolist(), strict=True))


def step_monitors(trial: Trial, monitors: Mapping[str, Monitor], rate: float) -> dict[str, Monitor]:
    """Return a Slice's monitors after one more Window; `rate` is of false findings a Window."""
    limits = trial.limits(rate)
    return {
        signal: monitors.get(signal, Monitor()).step(reading, limits[signal])
        for signal, reading in trial.readings().items()
    }


def write_finding(
    trial: Trial, signal: str, monitor: Monitor, quality: Quality | None, now: float
) -> Finding:
    """Write the finding that a Window makes due or confirms."""
    shift = trial.shift(signal)
    broken = detector_of(signal) in BROKEN
    decision = decide_severity(quality, broken=broken, skew=trial.is_skew(signal))
    return Finding(
        id=monitor.finding or _finding_id(trial.window, signal),
        model=trial.version.model,
        digest=trial.version.digest,
        slice=trial.window.slice,
        detector=signal,
        direction=shift.direction,
        size=shift.size,
        since=monitor.began,
        found_at=now,
        confirmed_at=now,
        severity=decision.severity.value,
        verdict=decision.outcome.value,
        because=decision.because,
        text=sentence(trial.window.slice, signal, shift, monitor),
    )


def _reading(window: Window, statistic: float, p_value: float) -> Reading:
    return Reading(window.start, window.end, window.n, statistic, p_value, window.seen)


def _finding_id(window: Window, signal: str) -> str:
    """Name a finding by what it is about, so that a repeated test finds the same one."""
    about = f"{window.version} {window.slice} {signal} {window.start}"
    return hashlib.sha256(about.encode()).hexdigest()[:16]
