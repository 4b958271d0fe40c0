"""Every metric of this process, declared once, all series present from the start.

Names, labels and buckets are read by the rollout-controller and by alert rules.
"""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

Route = Literal["predict", "v1", "v2"]
Outcome = Literal["ok", "rejected", "error", "overloaded"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process on a registry of its own."""

    def __init__(self, slo_milliseconds: float) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "isogloss_inference_requests",
            "Requests by route and outcome; rejected is the caller's fault, overloaded got no turn",
            ["route", "outcome"],
            registry=self.registry,
        )
        self._series = {
            (route, outcome): self._requests.labels(route, outcome)
            for route in get_args(Route)
            for outcome in get_args(Outcome)
        }
        self.request_seconds = Histogram(
            "isogloss_inference_request_seconds",
            "Time from a request's arrival to its answer, of requests with outcome ok",
            buckets=sorted({*_SECONDS, slo_milliseconds / 1000}),
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "isogloss_inference_queue_seconds",
            "Time a request waited for the scorer",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "isogloss_inference_in_flight",
            "Requests for predictions that have arrived and are not answered",
            registry=self.registry,
        )
        self.texts = Counter("isogloss_inference_texts", "Texts scored", registry=self.registry)
        self.tokens = Counter(
            "isogloss_inference_tokens", "Tokens the model read", registry=self.registry
        )
        events = Counter(
            "isogloss_inference_events",
            "Prediction events by what became of them",
            ["fate"],
            registry=self.registry,
        )
        self.events_sent = events.labels("sent")
        self.events_dropped = events.labels("dropped")
        self._model = Info(
            "isogloss_inference_model", "The ModelVersion that is served", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def observe_outcome(self, route: Route, outcome: Outcome) -> None:
        """Count one request."""
        self._series[route, outcome].inc()

    def observe_version(self, model: str, digest: str, family: str) -> None:
        """Say which version is served, once it is loaded."""
        self._model.info({"model": model, "version": digest, "family": family})
