"""Testing closed Windows against their Reference and writing down what drifted.

Windows of a Slice are tested in order, each once, in the transaction that moves its monitors. How
surprising a Window is, and how much of that is a finding, is in standards; whom a finding is for,
in severity.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from drift_monitor.detectors import DETECTORS
from drift_monitor.findings import Finding
from drift_monitor.pace import Pace
from drift_monitor.ports import Store, Transaction, Version
from drift_monitor.quality import Quality
from drift_monitor.quiet import KeepGoing
from drift_monitor.references import Reference
from drift_monitor.severity import Severity
from drift_monitor.shelf import Shelf
from drift_monitor.standards import Standards
from drift_monitor.trials import ArrivalsTrial, SliceTrial, step_monitors, write_finding
from drift_monitor.windows import ARRIVALS, Window
from stats.page_budget import rate_of_monitor

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
        trials = list(_trials(versions[digest], windows, judging, keep_going))
        if trials:
            new += _write(store, trials, now, judging)
        if not keep_going():
            break
    return new


def _trials(
    version: Version,
    windows: Iterator[Window],
    judging: Judging,
    keep_going: KeepGoing,
) -> Iterator[SliceTrial | ArrivalsTrial]:
    reference = judging.shelf.find(version.digest, version.labels)
    for window in windows:
        if window.slice == ARRIVALS:
            yield ArrivalsTrial(version, window)
            continue
        accepted = reference.sample(window.slice) if reference else None
        if reference is None or accepted is None:
            continue
        quiet = judging.standards.find(version.digest, reference, window.slice, keep_going)
        if quiet is None:
            return
        yield SliceTrial(version, window, reference, accepted, quiet)


def _write(
    store: Store, trials: Sequence[SliceTrial | ArrivalsTrial], now: float, judging: Judging
) -> list[Finding]:
    """Write down what Windows of one version say; return the findings that are new."""
    digest, new = trials[0].version.digest, []
    with store.begin() as transaction:
        states = transaction.drift.monitors(digest)
        rate = judging.rate(len(transaction.drift.slices(digest)))
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
