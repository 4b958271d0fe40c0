"""How long single predictions take at an open-loop rate, for Candidate and Baseline alternately.

A request is sent when it is due, not when the one before came back, and its time counts from
when it was due: waiting that the service causes is the service's. A prediction that was not
given counts as slower than everything.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Lock
from typing import Any

from lifecycle.evidence import Measurement
from stats.quantiles import bucket_counts, latency_buckets
from training_jobs.ports import PredictorConnection, PredictorPlace

# Requests that find no connection free wait here, and their waiting counts.
_MOST_CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """`warm_up` + `requests` single texts at `per_second`, the warm-up not counted."""

    texts: Sequence[str]
    per_second: float
    requests: int
    warm_up: int

    @property
    def connections(self) -> int:
        """Connections per place: one is used about once a second, so none is closed as idle."""
        return min(math.ceil(self.per_second), _MOST_CONNECTIONS)


@dataclass(frozen=True)
class Latencies:
    """Milliseconds of the counted requests; `inf` where no prediction was given."""

    milliseconds: Sequence[float]
    started_at: float
    ended_at: float

    @property
    def failed(self) -> int:
        """Requests that were given no prediction."""
        return sum(map(math.isinf, self.milliseconds))


def measure_latencies(places: Mapping[str, PredictorPlace], load: Load) -> dict[str, Latencies]:
    """Put the same load on every place at once, their requests alternating."""
    started_at, start = time.time(), time.perf_counter() + 0.1
    step = 1 / load.per_second / len(places)
    with ThreadPoolExecutor(len(places) * load.connections) as threads:
        running = {
            name: _start(threads, place, load, start + turn * step)
            for turn, (name, place) in enumerate(places.items())
        }
        timed = {name: _gather(futures) for name, futures in running.items()}
    counted_from = started_at + load.warm_up / load.per_second
    return {
        name: Latencies(times[load.warm_up :], counted_from, time.time())
        for name, times in timed.items()
    }


def measurement_of(latencies: Latencies, source: str) -> Measurement:
    """Return `latency_ms` of one version."""
    return _measurement("latency_ms", {"buckets": _buckets(latencies)}, latencies, source)


def pair_of(candidate: Latencies, baseline: Latencies, source: str) -> Measurement:
    """Return `latency_pair`: both versions' latencies, of requests that alternated."""
    counts = {"buckets": _buckets(candidate), "baseline": _buckets(baseline)}
    return _measurement("latency_pair", counts, candidate, source)


def _buckets(latencies: Latencies) -> list[list[float | int]]:
    """Count on `stats.quantiles` edges; what lies above all stands in the last."""
    edges = latency_buckets()
    *counts, above = (int(count) for count in bucket_counts(latencies.milliseconds, edges))
    counts[-1] += above
    return [list(bucket) for bucket in zip(edges, counts, strict=True)]


def _measurement(
    name: str, counts: Mapping[str, Any], latencies: Latencies, source: str
) -> Measurement:
    return Measurement(
        name=name,
        slice="all",
        n=len(latencies.milliseconds),
        counts=counts,
        source=source,
        started_at=latencies.started_at,
        ended_at=latencies.ended_at,
    )


class _Turns:
    """Hands out (turn, due) once each, to whichever thread is free."""

    def __init__(self, load: Load, start: float) -> None:
        self._turns = (
            (i, start + i / load.per_second) for i in range(load.warm_up + load.requests)
        )
        self._lock = Lock()

    def __iter__(self) -> Iterator[tuple[int, float]]:
        while True:
            with self._lock:
                turn = next(self._turns, None)
            if turn is None:
                return
            yield turn


def _start(
    threads: ThreadPoolExecutor, place: PredictorPlace, load: Load, start: float
) -> list[Future[dict[int, float]]]:
    turns = _Turns(load, start)
    return [threads.submit(_work, place, load, turns) for _ in range(load.connections)]


def _work(place: PredictorPlace, load: Load, turns: _Turns) -> dict[int, float]:
    with closing(place.connect()) as connection:
        return {turn: _time_one(connection, load, turn, due) for turn, due in turns}


def _time_one(connection: PredictorConnection, load: Load, turn: int, due: float) -> float:
    early = due - time.perf_counter()
    if early > 0:
        time.sleep(early)
    answered = connection.is_answered(load.texts[turn % len(load.texts)])
    return (time.perf_counter() - due) * 1000 if answered else math.inf


def _gather(futures: Sequence[Future[dict[int, float]]]) -> list[float]:
    """Return all times in the order of their turns."""
    by_turn = {turn: time for future in futures for turn, time in future.result().items()}
    return [by_turn[turn] for turn in sorted(by_turn)]
