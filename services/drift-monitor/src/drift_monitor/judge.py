"""Testing closed Windows against their Reference and writing down what drifted.

Windows of a Slice are tested in order, each once, in the transaction that moves its monitors. How
surprising a Window is, and how much of that is a finding, is in standards; whom a finding is for,
in severity.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

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
from drift_monitor.findings import Finding, describe_shift, sentence
from drift_monitor.monitors import Monitor, Reading
from drift_monitor.pace import Pace
from drift_monitor.ports import Store, Transaction, Version
from drift_monitor.quality import Quality
from drift_monitor.quiet import KeepGoing, Quiet
from drift_monitor.references import Reference
from drift_monitor.severity import Severity, decide_severity
from drift_monitor.shelf import Shelf
from drift_monitor.sketches import Sketcher
from drift_monitor.standards import Standards
from drift_monitor.windows import Window
from stats.page_budget import rate_of_monitor

BROKEN = frozenset({"empty"})
"""Signals that say that what arrives is broken, whatever it does to the model."""

QualityOf = Callable[[Transaction, Version, Reference, Window], Quality | None]
"""What is known of quality on a Window's Slice."""


@dataclass(frozen=True)
class Judging:
    """What testing depends on beside Windows and References.

    `budget` is how many false findings a Model may have in twelve weeks, all its Slices and
    signals together.
    """

    shelf: Shelf
    standards: Standards
    budget: float
    window_seconds: float
    quality_of: QualityOf
    pace: Pace

    def rate(self, slices: int) -> float:
        """Return the false findings a Window that each signal of so many Slices may have."""
        return rate_of_monitor(self.budget, slices * len(DETECTORS), self.window_seconds)


@dataclass(frozen=True)
class Test:
    """One closed Window and what it is compared with."""

    version: Version
    window: Window
    reference: Reference
    accepted: Sample
    quiet: Quiet

    @property
    def sketcher(self) -> Sketcher:
        """How the Window's rows were added up."""
        return self.reference.sketcher

    @property
    def mean(self) -> Sample:
        """The Window's rows."""
        return Sample(self.window.n, self.window.sums / self.window.n)

    def readings(self) -> Mapping[str, Reading]:
        """Return what the Window says about each signal."""
        n, mean = self.window.n, self.mean
        values = comparable(
            statistics(self.sketcher, n, mean.mean, self.accepted), n, self.accepted.n
        )
        counted = counted_p_values(self.sketcher, mean, self.accepted)
        found = {
            name: self._reading(float(values[name]), p)
            for name, p in self.quiet.p_values_of_one(values, n).items()
        }
        return found | {name: self._reading(p, p) for name, p in counted.items()}

    def cosine(self) -> Cosine:
        """Return what the naive rule says, which decides nothing."""
        limit = {"cosine": np.asarray(NAIVE_COSINE_LIMIT)}
        return Cosine(
            float(cosines(self.sketcher, self.mean.mean, self.accepted)),
            self.quiet.p_values_of_one(limit, self.window.n)["cosine"],
        )

    def finding(
        self, detector: str, monitor: Monitor, quality: Quality | None, now: float
    ) -> Finding:
        """Write the finding that this Window makes due or confirms."""
        shift = describe_shift(detector, self.sketcher, self.mean, self.accepted)
        decision = decide_severity(quality, broken=detector in BROKEN)
        return Finding(
            id=monitor.finding or self._finding_id(detector),
            model=self.version.model,
            digest=self.version.digest,
            slice=self.window.slice,
            detector=detector,
            direction=shift.direction,
            size=shift.size,
            since=monitor.began,
            found_at=now,
            confirmed_at=now,
            severity=decision.severity.value,
            verdict=decision.outcome.value,
            because=decision.because,
            text=sentence(self.window.slice, detector, shift, monitor),
        )

    def _reading(self, statistic: float, p_value: float) -> Reading:
        window = self.window
        return Reading(window.start, window.end, window.n, statistic, p_value, window.seen)

    def _finding_id(self, detector: str) -> str:
        """Name a finding by what it is about, so that a repeated test finds the same one."""
        window = self.window
        about = f"{window.version} {window.slice} {detector} {window.start}"
        return hashlib.sha256(about.encode()).hexdigest()[:16]


def judge_windows(
    store: Store,
    now: float,
    judging: Judging,
    keep_going: KeepGoing = lambda: True,
) -> list[Finding]:
    """Test every closed Window whose Reference can be had; return the findings that are new.

    Ends early when `keep_going` says no: the rest stays closed and is tested another time.
    Raises StoreUnavailable; Windows tested before that stay tested.
    """
    with store.read() as transaction:
        versions = {version.digest: version for version in transaction.registered.versions()}
        closed = transaction.drift.windows(closed=True)
    new: list[Finding] = []
    by_version = sorted(closed, key=lambda window: (window.version, window.end))
    for digest, windows in groupby(by_version, key=lambda window: window.version):
        tests = list(_tests(versions[digest], windows, judging, keep_going))
        if tests:
            new += _write(store, tests, now, judging)
        if not keep_going():
            break
    return new


def step_monitors(test: Test, monitors: Mapping[str, Monitor], rate: float) -> dict[str, Monitor]:
    """Return a Slice's monitors after one more Window; `rate` as `Judging.rate`."""
    limits = test.quiet.limits(DETECTORS, rate)
    return {
        detector: monitors.get(detector, Monitor()).step(reading, limits[detector])
        for detector, reading in test.readings().items()
    }


def _tests(
    version: Version,
    windows: Iterator[Window],
    judging: Judging,
    keep_going: KeepGoing,
) -> Iterator[Test]:
    reference = judging.shelf.find(version.digest, version.labels)
    for window in windows:
        accepted = reference.sample(window.slice) if reference else None
        if reference is None or accepted is None:
            continue
        quiet = judging.standards.find(version.digest, reference, window.slice, keep_going)
        if quiet is None:
            return
        yield Test(version, window, reference, accepted, quiet)


def _write(store: Store, tests: list[Test], now: float, judging: Judging) -> list[Finding]:
    """Write down what Windows of one version say; return the findings that are new."""
    version, new = tests[0].version, []
    with store.begin() as transaction:
        states = transaction.drift.monitors(version.digest)
        rate = judging.rate(len(transaction.drift.slices(version.digest)))
        for test in tests:
            name = test.window.slice
            monitors = step_monitors(test, states.get(name, {}), rate)
            for detector, monitor in monitors.items():
                if monitor.alarms:
                    quality = judging.quality_of(transaction, version, test.reference, test.window)
                    finding = test.finding(detector, monitor, quality, now)
                    transaction.findings.add(finding)
                    new += [] if monitor.finding else [finding]
                    monitors[detector] = monitor.reported(
                        finding.id, pages=finding.severity == Severity.PAGE
                    )
            states[name] = monitors
            transaction.drift.tested(test.window, monitors, test.cosine())
    return new
