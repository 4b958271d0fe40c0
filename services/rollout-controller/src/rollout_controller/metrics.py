"""Every metric of this process, declared once. Predictors report their own."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lifecycle.rollouts import Colour, Phase, Rollout, RouteIntent
from lifecycle.served_models import ServedModel

_PREFIX = "isogloss_rollout"

FAULTS = (
    "Ready",
    "RegistryReachable",
    "GatewayInEffect",
    "WorkloadsVisible",
    "NodesDrainable",
    "DriftMonitorReachable",
    "CandidateMeasured",
    "PolicyRead",
    "Reconciled",
)
"""Conditions of the status document that nobody wants to see False."""


class Meters:
    """The metrics and the registry that `/metrics` shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._phase = self._gauge(
            "phase", "1 for the Phase that the model's Rollout is in, else 0", "phase"
        )
        self._since = self._gauge(
            "phase_since_timestamp_seconds",
            "When the present Phase or step began, seconds since the epoch; 0 without a Rollout",
        )
        self._paused = self._gauge("paused", "1 while the Rollout waits for a person, else 0")
        self._weight = self._gauge(
            "weight", "Percent of requests that the route sends to a colour", "colour"
        )
        self._unrecorded = self._gauge(
            "marker_unrecorded", "1 while the route holds a Marker that the ledger has not, else 0"
        )
        self._fault = self._gauge(
            "fault", "1 while this condition of the model's status is False, else 0", "condition"
        )
        self._error_ratio = self._gauge(
            "objective_error_ratio", "Share of requests that the objective lets fail or be late"
        )
        self._bake = self._gauge("bake_seconds", "How long a new version bakes")
        self.rollbacks = self._counter(
            "rollbacks", "Rollouts given up by a route write, by whether anybody asked", "automatic"
        )
        self.errors = self._counter(
            "reconcile_errors", "Looks that failed, by the part that did not answer", "part"
        )
        self.leading = Gauge(
            f"{_PREFIX}_leading", "1 while this replica acts, else 0", registry=self.registry
        )
        self.write_seconds = Histogram(
            f"{_PREFIX}_route_write_seconds",
            "Time from writing a route to reading back that it is in effect",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
            registry=self.registry,
        )

    def show(
        self,
        served: ServedModel,
        rollout: Rollout | None,
        intent: RouteIntent,
        faults: Collection[str],
        *,
        unrecorded: bool,
    ) -> None:
        """Set the gauges of one model; `faults` are the conditions that are False."""
        model, phase = served.name, rollout.phase if rollout else None
        for each in Phase:
            self._phase.labels(model, each.value).set(each is phase)
        for colour in Colour:
            self._weight.labels(model, colour.value).set(intent.weight(colour))
        for condition in FAULTS:
            self._fault.labels(model, condition).set(condition in faults)
        for automatic in ("true", "false"):
            self.rollbacks.labels(model, automatic)  # a rise from nothing is no rise to Prometheus
        self._since.labels(model).set(rollout.phase_since if rollout else 0)
        self._paused.labels(model).set(rollout is not None and rollout.paused is not None)
        self._unrecorded.labels(model).set(unrecorded)
        self._error_ratio.labels(model).set(served.objective.error_ratio)
        self._bake.labels(model).set(served.bake_seconds)

    def forget(self, model: str) -> None:
        """Drop the gauges of a model that is no longer served."""
        for phase in Phase:
            self._phase.remove(model, phase.value)
        for colour in Colour:
            self._weight.remove(model, colour.value)
        for condition in FAULTS:
            self._fault.remove(model, condition)
        alone = (self._since, self._paused, self._unrecorded, self._error_ratio, self._bake)
        for gauge in alone:
            gauge.remove(model)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", said, ["model", *labels], registry=self.registry)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", said, ["model", *labels], registry=self.registry)
