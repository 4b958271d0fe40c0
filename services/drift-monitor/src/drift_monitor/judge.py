"""Testing closed Windows against their Reference and writing down what drifted.

Windows of a Slice are tested in order, each once, in the transaction that moves its monitors. How
surprising a Window is, and how much of that is a finding, is in standards; whom a finding is for,
in severity.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from drift_monitor.accepted import Accepted, AcceptedReferences
from drift_monitor.findings import Finding
from drift_monitor.pace import Pace
from drift_monitor.ports import Store, Transaction, Version
from drift_monitor.quality import Quality
from drift_monitor.quiet import KeepGoing
from drift_monitor.references import Reference
from drift_monitor.severity import Severity
from drift_monitor.shelf import Shelf
from drift_monitor.signals import signals_of_slice
from drift_monitor.standards import Standards
from drift_monitor.trials import ArrivalsTrial, SliceTrial, Standard, step_monitors, write_finding
from drift_monitor.windows import ARRIVALS, Window
from stats.page_budget import rate_of_monitor

QualityOf = Callable[[Transaction, Version, Reference, Window], Quality | None]
"""What is known of quality on a Window's Slice."""


@dataclass(frozen=True)
class Judging:
    """What testing depends on beside Windows.

    `budget` is how many false findings a Model may have in twelve weeks, all its Slices and
    signals together. `accepted` None: Windows are compared with the versions' own References only.
    """

    shelf: Shelf
    standards: Standards
    budget: float
    window_seconds: float
    quality_of: QualityOf
    pace: Pace
    accepted: AcceptedReferences | None = None

    def rate(self, slices: int, *, accepted: bool = False) -> float:
        """Return the false findings a Window that each signal of so many Slices may have."""
        signals = slices * signals_of_slice(accepted=accepted)
        return rate_of_monitor(self.budget, signals, self.window_seconds)

    def references(self, version: Version) -> "ReferencesOfVersion":
        """Return what a version's Windows are compared with."""
        own = self.shelf.find(version.digest, version.labels)
        beside = self.accepted.find(version.digest, own) if self.accepted and own else None
        return ReferencesOfVersion(own, beside)


@dataclass(frozen=True)
class ReferencesOfVersion:
    """A version's own Reference, None while it cannot be had, and traffic that was accepted."""

    own: Reference | None
    accepted: Accepted | None


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
        references = judging.references(versions[digest])
        testing = _Testing(versions[digest], references, judging, keep_going)
        trials = list(testing.trials(windows))
        if trials:
            new += _write(store, trials, now, judging, accepted=references.accepted is not None)
        if not keep_going():
            break
    return new


@dataclass(frozen=True)
class _Testing:
    """One version's Windows and what they are compared with."""

    version: Version
    references: ReferencesOfVersion
    judging: Judging
    keep_going: KeepGoing

    def trials(self, windows: Iterator[Window]) -> Iterator[SliceTrial | ArrivalsTrial]:
        """Yield a trial for each Window that can be tried; ends when told to stop."""
        for window in windows:
            if window.slice == ARRIVALS:
                yield ArrivalsTrial(self.version, window)
                continue
            reference, accepted = self.references.own, self.references.accepted
            own = self._standard(reference, window.slice)
            beside = self._standard(accepted, window.slice)
            if not self.keep_going():
                return
            if reference is not None and own is not None:
                yield SliceTrial(self.version, window, reference, own, beside)

    def _standard(self, compared: Reference | Accepted | None, slice_name: str) -> Standard | None:
        sample = compared.sample(slice_name) if compared else None
        if compared is None or sample is None:
            return None
        find = self.judging.standards.find
        quiet = find(self.version.digest, compared, slice_name, self.keep_going)
        return Standard(sample, quiet) if quiet else None


def _write(
    store: Store,
    trials: Sequence[SliceTrial | ArrivalsTrial],
    now: float,
    judging: Judging,
    *,
    accepted: bool,
) -> list[Finding]:
    """Write down what Windows of one version say; return the findings that are new."""
    digest, new = trials[0].version.digest, []
    with store.begin() as transaction:
        states = transaction.drift.monitors(digest)
        rate = judging.rate(len(transaction.drift.slices(digest)), accepted=accepted)
        for trial in trials:
            name = trial.window.slice
            monitors = step_monitors(trial, states.get(name, {}), rate)
            for detector, monitor in monitors.items():
                if monitor.alarms:
                    quality = _quality(transaction, trial, judging)
                    finding = write_finding(trial, detector, monitor, quality, now)
                    transaction.findings.add(finding)
                    new += [] if monitor.finding else [finding]
                    monitors[detector] = monitor.reported(
                        finding.id, pages=finding.severity == Severity.PAGE
                    )
            states[name] = monitors
            cosine = trial.cosine() if isinstance(trial, SliceTrial) else None
            transaction.drift.tested(trial.window, monitors, cosine)
    return new


def _quality(
    transaction: Transaction, trial: SliceTrial | ArrivalsTrial, judging: Judging
) -> Quality | None:
    if isinstance(trial, ArrivalsTrial):
        return None
    return judging.quality_of(transaction, trial.version, trial.reference, trial.window)
