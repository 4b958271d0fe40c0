"""Every metric of this process, declared once, all series present from the start.

Names, labels and buckets are read by the rollout-controller and by alert rules. What is counted
on every prediction is a plain number made at the start: only a scrape pays for its rendering.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Literal, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Route = Literal["predict", "v1", "v2", "explain", "grpc"]
Outcome = Literal["ok", "rejected", "error", "overloaded"]

_PREFIX = "isogloss_inference"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Tally:
    """A number that one thread moves and any thread may read."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, by: int = 1) -> None:
        """Add to it."""
        self.value += by

    def dec(self) -> None:
        """Take one away."""
        self.value -= 1


class Histogram:
    """Observations counted by bucket; one thread observes, any thread may read."""

    __slots__ = ("_counts", "_edges", "_sum")

    def __init__(self, edges: Iterable[float]) -> None:
        self._edges = sorted({*edges, float("inf")})
        self._counts = [0] * len(self._edges)
        self._sum = 0.0

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self._counts)

    def above(self, edge: float) -> int:
        """Return how many observations were above one of the edges."""
        return sum(self._counts[bisect_left(self._edges, edge) + 1 :])

    def observe(self, seconds: float) -> None:
        """Count one observation in the first bucket whose edge is not below it."""
        self._counts[bisect_left(self._edges, seconds)] += 1
        self._sum += seconds

    def render(self, name: str, said: str) -> Metric:
        """Return the histogram as it stands, cumulative as Prometheus wants it."""
        edges = map(floatToGoString, self._edges)
        buckets = list(zip(edges, accumulate(self._counts), strict=True))
        return HistogramMetricFamily(name, said, buckets=buckets, sum_value=self._sum)


class Metrics(Collector):
    """The metrics of one process on a registry of its own."""

    def __init__(self, slo_milliseconds: float) -> None:
        self.requests: dict[tuple[Route, Outcome], Tally] = {
            (route, outcome): Tally() for route in get_args(Route) for outcome in get_args(Outcome)
        }
        self._objective = slo_milliseconds / 1000
        self.request_seconds = Histogram([*_SECONDS, self._objective])
        self.queue_seconds = Histogram(_SECONDS)
        self.in_flight = Tally()
        self.texts = Tally()
        self.tokens = Tally()
        self.events_sent = Tally()
        self.events_dropped = Tally()
        self._version: dict[str, str] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def observe_version(self, model: str, digest: str, family: str) -> None:
        """Say which version is served, once it is loaded."""
        self._version = {"model": model, "version": digest, "family": family}

    def collect(self) -> Iterator[Metric]:
        """Render every series; called on each scrape."""
        yield self._requests()
        said = "Time from a request's arrival to its answer, of requests with outcome ok"
        yield self.request_seconds.render(f"{_PREFIX}_request_seconds", said)
        said = "Seconds that the latency objective allows"
        yield GaugeMetricFamily(f"{_PREFIX}_objective_seconds", said, self._objective)
        said = "Requests with outcome ok that took longer than the latency objective allows"
        slow = self.request_seconds.above(self._objective)
        yield CounterMetricFamily(f"{_PREFIX}_slow_requests", said, slow)
        said = "Time a request waited for the scorer, of requests that went through its queue"
        yield self.queue_seconds.render(f"{_PREFIX}_queue_seconds", said)
        said = "Requests for predictions that have arrived and are not answered"
        yield GaugeMetricFamily(f"{_PREFIX}_in_flight", said, self.in_flight.value)
        yield CounterMetricFamily(f"{_PREFIX}_texts", "Texts scored", self.texts.value)
        yield CounterMetricFamily(f"{_PREFIX}_tokens", "Tokens the model read", self.tokens.value)
        yield self._events()
        said = "The ModelVersion that is served"
        yield InfoMetricFamily(f"{_PREFIX}_model", said, self._version)

    def _requests(self) -> Metric:
        said = "Requests by route and outcome: rejected is the caller's fault, overloaded no turn"
        family = CounterMetricFamily(f"{_PREFIX}_requests", said, labels=("route", "outcome"))
        for labels, tally in self.requests.items():
            family.add_metric(labels, tally.value)
        return family

    def _events(self) -> Metric:
        said = "Prediction events by what became of them"
        family = CounterMetricFamily(f"{_PREFIX}_events", said, labels=("fate",))
        family.add_metric(["sent"], self.events_sent.value)
        family.add_metric(["dropped"], self.events_dropped.value)
        return family
