"""Every metric of this process, declared once. Predictors report their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lifecycle.rollouts import Colour, Phase, RouteIntent


class Meters:
    """The metrics and the registry that `/metrics` shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._phase = Gauge(
            "isogloss_rollout_phase",
            "1 for the Phase that the model's Rollout is in, else 0",
            ["model", "phase"],
            registry=self.registry,
        )
        self._weight = Gauge(
            "isogloss_rollout_weight",
            "Percent of requests that the route sends to a colour",
            ["model", "colour"],
            registry=self.registry,
        )
        self.rollbacks = Counter(
            "isogloss_rollout_rollbacks",
            "Rollouts given up by a route write, by whether anybody asked",
            ["model", "automatic"],
            registry=self.registry,
        )
        self.errors = Counter(
            "isogloss_rollout_reconcile_errors",
            "Looks at a model that failed, by the part that did not answer",
            ["model", "part"],
            registry=self.registry,
        )
        self.write_seconds = Histogram(
            "isogloss_rollout_route_write_seconds",
            "Time from writing a route to reading back that it is in effect",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
            registry=self.registry,
        )

    def show(self, model: str, phase: Phase | None, intent: RouteIntent) -> None:
        """Set the gauges of one model."""
        for each in Phase:
            self._phase.labels(model, each.value).set(1 if each is phase else 0)
        for colour in Colour:
            self._weight.labels(model, colour.value).set(intent.weight(colour))

    def forget(self, model: str) -> None:
        """Drop the gauges of a model that is no longer served."""
        for phase in Phase:
            self._phase.remove(model, phase.value)
        for colour in Colour:
            self._weight.remove(model, colour.value)
