"""Every metric of this service, declared once. Drift gauges follow the last tested Window."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from drift_monitor.count import Counted
from drift_monitor.monitors import Monitor
from drift_monitor.pairings import Pairing
from drift_monitor.quality import Quality
from drift_monitor.tallies import Tally
from drift_monitor.windows import ALL

_SIGNAL = ("model", "version", "slice", "detector")
_PREFIX = "isogloss_drift_monitor"


class Metrics:
    """The metrics of one process on its own registry."""

    def __init__(self) -> None:
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
        self.unused_labels = counter(
            "unused_labels_total", "Labels of requests on no list and in no pairing, as they came"
        )
        self.waiting = gauge("batches_waiting", "Event batches waiting to be counted")
        self.pairs = gauge(
            "pairs", "Answers of the newest pairing, by state", "model", "rollout", "state"
        )
        self.cusum = gauge("cusum", "CUSUM of a signal after its last Window", *_SIGNAL)
        self.p_value = gauge("p_value", "p-value of a signal's last Window", *_SIGNAL)
        self.window_n = gauge("window_n", "Rows in a signal's last Window", *_SIGNAL)
        self.threshold = gauge("threshold", "What a CUSUM must cross to be a finding", *_SIGNAL)
        self.findings = counter(
            "findings_total", "New DriftFindings, by whom they are for", *_SIGNAL, "severity"
        )
        self.requests = counter(
            "requests_total", "Requests that counted events were about", "model"
        )
        self.decides = gauge("decides", "1 on the replica that closes and tests Windows")
        self.quality = _QualityGauges(registry)
        self.open = gauge("finding_open", "1 while a DriftFinding of a signal lasts", *_SIGNAL)
        self.pages = gauge("finding_pages", "1 while it lasts and is a page", *_SIGNAL)

    def observe_counted(self, counted: Counted) -> None:
        """Add what one transaction counted."""
        for (model, outcome), events in counted.events.items():
            self.events.labels(model, outcome).inc(events)
        for model, requests in counted.requests.items():
            self.requests.labels(model).inc(requests)
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
            self.threshold.labels(*signal).set(monitor.threshold)
            self.open.labels(*signal).set(monitor.finding is not None)
            self.pages.labels(*signal).set(monitor.finding is not None and monitor.pages)


class _QualityGauges:
    """What is known of accuracy, by version and Slice."""

    def __init__(self, registry: CollectorRegistry) -> None:
        version = ("model", "version")

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", text, (*version, *labels), registry=registry)

        told = "Accuracy of a Slice: estimated, measured with labels, or the least promised"
        self._accuracy = gauge("quality", told, "slice", "method", "bound")
        self._novelty = gauge("novelty", "Share of texts unlike the Reference", "slice")
        self._degraded = gauge("quality_degraded", "1 once labels put the error above the promise")

    def observe(self, version: tuple[str, str], known: Quality) -> None:
        """Show what is known of a Slice's quality for (model, version)."""
        found = {"estimated": known.estimated, "measured": known.measured}
        for method, bounds in found.items():
            for bound in ("lower", "point", "upper") if bounds else ():
                gauge = self._accuracy.labels(*version, known.slice, method, bound)
                gauge.set(getattr(bounds, bound))
        self._accuracy.labels(*version, known.slice, "promised", "lower").set(known.floor)
        self._novelty.labels(*version, known.slice).set(known.novelty)
        if known.slice == ALL:
            self._degraded.labels(*version).set(known.degraded)
