"""Reading the counts of Measurements strictly, so that judging them later cannot go wrong.

A count that is negative, missing or does not add up is refused when the Evidence is handed in.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np

from lifecycle.evidence import Evidence, EvidenceRefused, Measurement
from stats.classification import Cells
from stats.quantiles import latency_buckets

_MOST_LABELS = 200
"""A dense table of (truth, baseline, candidate) for more labels would take over 64 MB."""
_MOST = 10**12
"""More observations than any of these were ever counted; sums stay exact as doubles."""


def refuse_unreadable(evidence: Evidence) -> None:
    """Raise EvidenceRefused unless every Measurement can be read."""
    for measurement in evidence.measurements:
        where = f"measurement {measurement.name} on slice {measurement.slice}"
        try:
            _read(measurement)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise EvidenceRefused(f"{where} cannot be read: {error!r}; measure again") from error


def read_cells(measurement: Measurement) -> Cells:
    """Read `cells` as counts [truth, baseline, candidate], or [truth, candidate] where no
    row has a baseline answer.
    """
    size = len(measurement.counts["labels"])
    rows = [[_whole(part, -1) for part in row] for row in measurement.counts["cells"]]
    if not 2 <= size <= _MOST_LABELS or any(len(row) != 4 for row in rows):
        raise ValueError(f"{size} labels, rows must be [truth, baseline, candidate, count]")
    table = np.asarray(rows, dtype=np.int64).reshape(-1, 4)
    paired = bool((table[:, 1] >= 0).all()) and len(table) > 0
    if not paired and (table[:, 1] >= 0).any():
        raise ValueError("some rows have a baseline answer and some have none")
    columns = table[:, [0, 1, 2] if paired else [0, 2]]
    if (columns < 0).any() or (columns >= size).any():
        raise ValueError(f"a label index is outside 0..{size - 1}")
    counts = np.zeros((size,) * columns.shape[1], dtype=np.int64)
    np.add.at(counts, tuple(columns.T), table[:, 3])
    return Cells(counts)


def read_latencies(measurement: Measurement) -> tuple[int, ...]:
    """Read `latency_ms`, [[upper_ms, count], ...] with empty buckets left out, as counts of all
    of `stats.quantiles.latency_buckets`, and of what lies above them (upper_ms null).
    """
    places = {edge: place for place, edge in enumerate(latency_buckets())}
    counts = [0] * (len(places) + 1)
    for upper_ms, count in measurement.counts["buckets"]:
        counts[-1 if upper_ms is None else places[float(upper_ms)]] += _whole(count)
    return tuple(counts)


def read_count(measurement: Measurement, key: str) -> int:
    """Read one whole, non-negative count."""
    return _whole(measurement.counts[key])


def _read(measurement: Measurement) -> None:
    counted = _READERS[measurement.name](measurement)
    if _whole(measurement.n) != counted:
        raise ValueError(f"n is {measurement.n} but {counted} were counted")
    if not 0 <= measurement.started_at <= measurement.ended_at:
        raise ValueError("it ended before it started")


def _read_parts(*names: str) -> Callable[[Measurement], int]:
    """Return a reader of n and of parts of it, each at most n."""

    def read(measurement: Measurement) -> int:
        n = read_count(measurement, "n")
        for name in names:
            if read_count(measurement, name) > n:
                raise ValueError(f"{name} is more than n, which is {n}")
        return n

    return read


def _read_labelled(measurement: Measurement) -> int:
    n = read_count(measurement, "n")
    if read_count(measurement, "wins") + read_count(measurement, "losses") > n:
        raise ValueError(f"wins and losses are more than n, which is {n}")
    return n


def _read_slow(measurement: Measurement) -> int:
    if not isfinite(float(measurement.counts["limit_ms"])):
        raise ValueError("limit_ms is not a number of milliseconds")
    return _read_parts("over")(measurement)


_READERS: Mapping[str, Callable[[Measurement], int]] = {
    "cells": lambda measurement: read_cells(measurement).n,
    "latency_ms": lambda measurement: sum(read_latencies(measurement)),
    "pairs": _read_parts("bad", "missing", "eligible", "paired"),
    "labelled": _read_labelled,
    "requests": _read_parts("errors"),
    "slow": _read_slow,
}


def _whole(value: Any, low: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= _MOST:
        raise ValueError(f"{value!r} is not a whole number from {low} to {_MOST:g}")
    return value
