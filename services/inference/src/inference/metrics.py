"""Every metric of this process, declared once, all series present from the start.

Names, labels and buckets are read by the rollout-controller and by alert rules.
"""

from collections.abc import Iterable
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

Route = Literal["predict", "v1", "v2"]
Outcome = Literal["ok", "rejected", "error", "overloaded"]

_PREFIX = "isogloss_inference"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process on a registry of its own."""

    def __init__(self, slo_milliseconds: float) -> None:
        self.registry = CollectorRegistry()
        self._series = self._requests_by_outcome()
        self.request_seconds = self._histogram(
            "request_seconds",
            "Time from a request's arrival to its answer, of requests with outcome ok",
            [*_SECONDS, slo_milliseconds / 1000],
        )
        self.queue_seconds = self._histogram(
            "queue_seconds", "Time a request waited for the scorer", _SECONDS
        )
        self.in_flight = Gauge(
            f"{_PREFIX}_in_flight",
            "Requests for predictions that have arrived and are not answered",
            registry=self.registry,
        )
        self.texts = self._counter("texts", "Texts scored")
        self.tokens = self._counter("tokens", "Tokens the model read")
        events = self._counter("events", "Prediction events by what became of them", "fate")
        self.events_sent = events.labels("sent")
        self.events_dropped = events.labels("dropped")
        self._model = Info(
            f"{_PREFIX}_model", "The ModelVersion that is served", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def observe_outcome(self, route: Route, outcome: Outcome) -> None:
        """Count one request."""
        self._series[route, outcome].inc()

    def observe_version(self, model: str, digest: str, family: str) -> None:
        """Say which version is served, once it is loaded."""
        self._model.info({"model": model, "version": digest, "family": family})

    def _requests_by_outcome(self) -> dict[tuple[Route, Outcome], Counter]:
        said = "Requests by route and outcome: rejected is the caller's fault, overloaded no turn"
        requests = self._counter("requests", said, "route", "outcome")
        return {
            (route, outcome): requests.labels(route, outcome)
            for route in get_args(Route)
            for outcome in get_args(Outcome)
        }

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", said, labels, registry=self.registry)

    def _histogram(self, name: str, said: str, buckets: Iterable[float]) -> Histogram:
        edges = sorted(set(buckets))
        return Histogram(f"{_PREFIX}_{name}", said, buckets=edges, registry=self.registry)
