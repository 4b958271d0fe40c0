"""Every metric of this service, declared once. Drift gauges follow the last tested Window."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from drift_monitor.count import Counted
from drift_monitor.monitors import Monitor
from drift_monitor.pairings import Pairing
from drift_monitor.tallies import Tally

_SIGNAL = ("model", "version", "slice", "detector")
_PREFIX = "isogloss_drift_monitor"


class Metrics:
    """The metrics of one process on its own registry."""

    def __init__(self, threshold: float) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", text, labels, registry=registry)

        self.batches = counter("batches_total", "Event batches by what became of them", "outcome")
        self.events = counter(
            "events_total", "Prediction events counted, by their outcome", "model", "outcome"
        )
        self.dropped = counter("dropped_total", "Events not used for something", "reason")
        self.feedback = counter("labels_total", "Labels received as feedback")
        self.waiting = gauge("batches_waiting", "Event batches waiting to be counted")
        self.pairs = gauge(
            "pairs", "Answers of the newest pairing, by state", "model", "rollout", "state"
        )
        self.cusum = gauge("cusum", "CUSUM of a signal after its last Window", *_SIGNAL)
        self.p_value = gauge("p_value", "p-value of a signal's last Window", *_SIGNAL)
        self.window_n = gauge("window_n", "Rows in a signal's last Window", *_SIGNAL)
        self.threshold = gauge("threshold", "What a CUSUM must cross to be a finding")
        self.threshold.set(threshold)
        self.findings = counter("findings_total", "New DriftFindings", *_SIGNAL)
        self.open = gauge("finding_open", "1 while a DriftFinding of a signal lasts", *_SIGNAL)

    def observe_counted(self, counted: Counted) -> None:
        """Add what one transaction counted."""
        for (model, outcome), events in counted.events.items():
            self.events.labels(model, outcome).inc(events)
        self.dropped.labels("no-reference").inc(counted.unreferenced)
        self.dropped.labels("pairing-full").inc(counted.answers_refused)
        self.dropped.labels("too-many-slices").inc(counted.slices_refused)

    def observe_pairing(self, pairing: Pairing, tally: Tally) -> None:
        """Show a pairing's counts."""
        states = {
            "eligible": tally.eligible,
            "agreeing": tally.agreeing,
            "disagreeing": tally.disagreeing,
            "missing": tally.missing,
            "labelled": tally.labelled,
        }
        for state, count in states.items():
            self.pairs.labels(pairing.model, pairing.rollout, state).set(count)

    def observe_monitor(self, signal: tuple[str, str, str, str], monitor: Monitor) -> None:
        """Show the monitor of a signal (model, version, slice, detector)."""
        if monitor.last is not None:
            self.cusum.labels(*signal).set(monitor.cusum.value)
            self.p_value.labels(*signal).set(monitor.last.p_value)
            self.window_n.labels(*signal).set(monitor.last.n)
            self.open.labels(*signal).set(monitor.finding is not None)
