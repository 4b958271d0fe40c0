"""Testing closed Windows against their Reference and writing down what drifted.

Windows of a Slice are tested in order, each once, in the transaction that moves its monitors. A
null that is not there yet is resampled first: seconds of work, done outside any transaction.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drift_monitor.detectors import (
    DETECTORS,
    Sample,
    comparable,
    grid_around,
    naive_cosine,
    null_between,
    resample_null,
    statistics,
)
from drift_monitor.findings import Finding, describe_shift, sentence
from drift_monitor.monitors import Monitor, Reading
from drift_monitor.ports import Store, Version
from drift_monitor.references import Reference
from drift_monitor.shelf import Shelf
from drift_monitor.sketches import Floats
from drift_monitor.windows import Window


def judge_windows(
    store: Store, shelf: Shelf, now: float, keep_going: Callable[[], bool] = lambda: True
) -> list[Finding]:
    """Test every closed Window whose Reference can be had; return the findings that are new.

    Ends early when `keep_going` says no: the rest stays closed and is tested another time.
    Raises StoreUnavailable; Windows tested before that stay tested.
    """
    with store.read() as transaction:
        versions = {version.digest: version for version in transaction.registered.versions()}
        closed = transaction.drift.windows(closed=True)
    new: list[Finding] = []
    for window in closed:
        version = versions[window.version]
        reference = shelf.find(version.digest, version.labels)
        accepted = reference.sample(window.slice) if reference else None
        if reference is not None and accepted is not None:
            test = _Test(version, window, reference, accepted, now)
            readings = test.readings(store, keep_going)
            if readings is None:
                break
            new += test.write(store, readings)
    return new


@dataclass(frozen=True)
class _Test:
    """One closed Window and what it is compared with."""

    version: Version
    window: Window
    reference: Reference
    accepted: Sample
    now: float

    @property
    def mean(self) -> Sample:
        return Sample(self.window.n, self.window.sums / self.window.n)

    def write(self, store: Store, readings: Mapping[str, Reading]) -> list[Finding]:
        """Write down what the Window says; return the findings that are new."""
        cosine = naive_cosine(self.reference.sketcher, self.mean, self.accepted)
        new = []
        with store.begin() as transaction:
            monitors = transaction.drift.monitors(self.window.version).get(self.window.slice, {})
            for detector in DETECTORS:
                monitor = monitors.get(detector, Monitor()).step(readings[detector])
                if monitor.alarms:
                    finding = self._finding(detector, monitor, readings[detector])
                    transaction.findings.add(finding)
                    new += [] if monitor.finding else [finding]
                    monitor = monitor.reported(finding.id)
                monitors[detector] = monitor
            transaction.drift.tested(self.window, monitors, cosine)
        return new

    def readings(
        self, store: Store, keep_going: Callable[[], bool]
    ) -> Mapping[str, Reading] | None:
        """Return each Detector's Reading; None when told to stop before there was a null."""
        window, mean = self.window, self.mean
        below, above, weight = grid_around(mean.n)
        lower = self._null(store, below, keep_going)
        upper = lower if above == below else self._null(store, above, keep_going)
        if lower is None or upper is None:
            return None
        found = statistics(self.reference.sketcher, mean.n, mean.mean, self.accepted)
        readings = {}
        for detector, value in comparable(found, mean.n, self.accepted).items():
            p_value = null_between(lower[detector], upper[detector], weight).p_value(value)
            readings[detector] = Reading(window.start, window.end, window.n, value, p_value)
        return readings

    def _null(
        self, store: Store, n: int, keep_going: Callable[[], bool]
    ) -> Mapping[str, Floats] | None:
        part = self.reference.part(self.window.slice)
        with store.read() as transaction:
            known = transaction.nulls.load(self.version.digest, part, n)
        if known is not None:
            return known
        vectors = self.reference.vectors(part)
        null = resample_null(self.reference.sketcher, vectors, n, n, keep_going)
        if null is not None:
            with store.begin() as transaction:
                transaction.nulls.save(self.version.digest, part, n, null)
        return null

    def _finding(self, detector: str, monitor: Monitor, reading: Reading) -> Finding:
        sketcher = self.reference.sketcher
        shift = describe_shift(detector, sketcher, self.mean, self.accepted)
        return Finding(
            id=monitor.finding or self._finding_id(detector),
            model=self.version.model,
            digest=self.version.digest,
            slice=self.window.slice,
            detector=detector,
            direction=shift.direction,
            size=shift.size,
            since=monitor.began,
            found_at=self.now,
            confirmed_at=self.now,
            text=sentence(self.window.slice, detector, shift, reading, monitor.cusum.value),
        )

    def _finding_id(self, detector: str) -> str:
        """Name a finding by what it is about, so that a repeated test finds the same one."""
        window = self.window
        about = f"{window.version} {window.slice} {detector} {window.start}"
        return hashlib.sha256(about.encode()).hexdigest()[:16]
