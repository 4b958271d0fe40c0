"""Every metric of this process, declared once, all series present from the start.

Names, labels and buckets are read by the rollout-controller and by alert rules. What is counted
on every prediction is a cell of one array: only a scrape pays for its rendering. Workers have
their arrays in shared memory, where whoever is scraped adds them up.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Literal, NamedTuple, get_args

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
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (16, 32, 64, 128, 192, 256, 512)


CELLS = 256
"""Numbers that the metrics of one process need, and some."""


class Cells:
    """Where numbers of one process lie: handed out one after another, in the same order by all."""

    def __init__(self, array: "memoryview[float]") -> None:
        self.array = array
        self._taken = 0

    @classmethod
    def own(cls) -> "Cells":
        """Return cells that no other process sees."""
        return cls(memoryview(bytearray(8 * CELLS)).cast("d"))

    def take(self, count: int) -> int:
        """Return where `count` cells lie that nothing else has."""
        self._taken += count
        if self._taken > len(self.array):
            raise ValueError(f"the metrics need more than {len(self.array)} cells: raise CELLS")
        return self._taken - count


class Tally:
    """A number that one thread moves and any may read."""

    __slots__ = ("_array", "at")

    def __init__(self, cells: Cells) -> None:
        self._array = cells.array
        self.at = cells.take(1)

    @property
    def value(self) -> int:
        """Return it."""
        return int(self._array[self.at])

    def inc(self, by: int = 1) -> None:
        """Add to it."""
        self._array[self.at] += by

    def dec(self) -> None:
        """Take one away."""
        self._array[self.at] -= 1

    def clear(self) -> None:
        """Begin again from 0."""
        self._array[self.at] = 0


class Places(NamedTuple):
    """Where `observe_answer` counts, for what does the same without Python."""

    ok: int
    texts: int
    tokens: int
    buckets: int
    """Of the histogram of seconds: as many as it has edges."""
    seconds: int


class Histogram:
    """Observations counted by bucket; one thread observes, any may read."""

    __slots__ = ("_array", "edges", "start", "sum")

    def __init__(self, cells: Cells, edges: Iterable[float]) -> None:
        self.edges = sorted({*edges, float("inf")})
        self._array = cells.array
        self.start = cells.take(len(self.edges))
        self.sum = cells.take(1)

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self._counts())

    def above(self, edge: float) -> int:
        """Return how many observations were above one of the edges."""
        return sum(self._counts()[bisect_left(self.edges, edge) + 1 :])

    def observe(self, value: float) -> None:
        """Count one observation in the first bucket whose edge is not below it."""
        self._array[self.start + bisect_left(self.edges, value)] += 1
        self._array[self.sum] += value

    def render(self, name: str, said: str) -> Metric:
        """Return the histogram as it stands, cumulative as Prometheus wants it."""
        edges = map(floatToGoString, self.edges)
        buckets = list(zip(edges, accumulate(self._counts()), strict=True))
        return HistogramMetricFamily(name, said, buckets=buckets, sum_value=self._array[self.sum])

    def _counts(self) -> list[int]:
        return [int(count) for count in self._array[self.start : self.sum]]


class Metrics(Collector):
    """The metrics of one process, or of several that were added up, on a registry of their own.

    `pids` are the processes they are of; None: this one.
    """

    def __init__(
        self,
        slo_milliseconds: float,
        cells: Cells | None = None,
        pids: Callable[[], Sequence[int]] | None = None,
    ) -> None:
        cells = cells or Cells.own()
        self.requests: dict[tuple[Route, Outcome], Tally] = {
            (route, outcome): Tally(cells)
            for route in get_args(Route)
            for outcome in get_args(Outcome)
        }
        self.cells = cells.array
        self._at_ok = {route: self.requests[route, "ok"].at for route in get_args(Route)}
        self._objective = slo_milliseconds / 1000
        self.request_seconds = Histogram(cells, [*_SECONDS, self._objective])
        self.queue_seconds = Histogram(cells, _SECONDS)
        self.batch_texts = Histogram(cells, _TEXTS)
        self.batch_tokens = Histogram(cells, _TOKENS)
        self.in_flight = Tally(cells)
        self.texts = Tally(cells)
        self.tokens = Tally(cells)
        self.events_sent = Tally(cells)
        self.events_dropped = Tally(cells)
        self._version: dict[str, str] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.registry.register(
            ProcessCollector(registry=None) if pids is None else _Processes(pids)
        )

    def observe_version(self, model: str, digest: str, family: str) -> None:
        """Say which version is served, once it is loaded."""
        self._version = {"model": model, "version": digest, "family": family}

    def observe_answer(self, route: Route, seconds: float, texts: int, tokens: int) -> None:
        """Count one request with outcome ok; in one go, as it is on every answer's way."""
        array = self.cells
        array[self._at_ok[route]] += 1
        array[self.texts.at] += texts
        array[self.tokens.at] += tokens
        self.request_seconds.observe(seconds)

    def places(self, route: Route) -> Places:
        """Return where a route's answers are counted among the `cells`."""
        seconds = self.request_seconds
        return Places(self._at_ok[route], self.texts.at, self.tokens.at, seconds.start, seconds.sum)

    def observe_pass(self, texts: int, tokens: int) -> None:
        """Count one pass of the scorer; `tokens` with the padding, 0 where nothing is padded."""
        self.batch_texts.observe(texts)
        if tokens:
            self.batch_tokens.observe(tokens)

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
        said = "Texts scored in one pass, of those that went through the scorer's queue"
        yield self.batch_texts.render(f"{_PREFIX}_batch_texts", said)
        said = "Tokens of one pass, padding included, of models that pad texts to each other"
        yield self.batch_tokens.render(f"{_PREFIX}_batch_tokens", said)
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


class _Processes(Collector):
    """What the standard process metrics say of several processes, together.

    Pages that they share count for each in the resident memory.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """Add the processes up; of their start times give the first, of their limits the least."""
        of_each = [
            ProcessCollector(pid=partial(int, pid), registry=None).collect() for pid in self._pids()
        ]
        for families in zip(*of_each, strict=False):
            first, samples = families[0], [family.samples[0] for family in families]
            join = min if first.name.endswith(("start_time_seconds", "max_fds")) else sum
            first.samples = [samples[0]._replace(value=join(sample.value for sample in samples))]
            yield first
