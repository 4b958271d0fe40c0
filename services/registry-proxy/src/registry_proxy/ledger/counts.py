"""Refusing Evidence whose counts cannot be read, so that judging it later cannot go wrong.

How counts are read is `stats.counts`'; that they add up to what the Measurement says is checked
when the Evidence is handed in.
"""

from collections.abc import Callable, Mapping
from math import isfinite

from lifecycle.evidence import Evidence, EvidenceRefused, Measurement
from stats.counts import read_calibration, read_cells, read_count, read_latencies, whole

_WHOLE_PERCENT = 100


def refuse_unreadable(evidence: Evidence) -> None:
    """Raise EvidenceRefused unless every Measurement can be read."""
    for measurement in evidence.measurements:
        where = f"measurement {measurement.name} on slice {measurement.slice}"
        try:
            _read(measurement)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise EvidenceRefused(f"{where} cannot be read: {error!r}; measure again") from error


def _read(measurement: Measurement) -> None:
    if not isinstance(measurement.counts, Mapping):
        raise TypeError("counts is no object")
    counted = _READERS[measurement.name](measurement)
    if whole(measurement.n) != counted:
        raise ValueError(f"n is {measurement.n} but {counted} were counted")
    if not 0 <= measurement.started_at <= measurement.ended_at:
        raise ValueError("it ended before it started")


def _read_parts(*names: str) -> Callable[[Measurement], int]:
    """Return a reader of n and of parts of it, each at most n."""

    def read(measurement: Measurement) -> int:
        n = read_count(measurement.counts, "n")
        for name in names:
            if read_count(measurement.counts, name) > n:
                raise ValueError(f"{name} is more than n, which is {n}")
        return n

    return read


def _read_labelled(measurement: Measurement) -> int:
    n = read_count(measurement.counts, "n")
    if read_count(measurement.counts, "wins") + read_count(measurement.counts, "losses") > n:
        raise ValueError(f"wins and losses are more than n, which is {n}")
    return n


def _read_pairs(measurement: Measurement) -> int:
    percent = measurement.counts.get("mirror_percent", 100)
    if whole(percent, 1) > _WHOLE_PERCENT:
        raise ValueError(f"mirror_percent is {percent}")
    if "mirrored" in measurement.counts:
        read_count(measurement.counts, "mirrored")
    return _read_parts("bad", "missing", "eligible", "paired")(measurement)


def _read_outcomes(measurement: Measurement) -> int:
    if "wins" in measurement.counts:
        return _read_labelled(measurement)
    _refuse_baseline(measurement, "errors")
    return _read_parts("errors")(measurement)


def _read_slow(measurement: Measurement) -> int:
    if not isfinite(float(measurement.counts["limit_ms"])):
        raise ValueError("limit_ms is not a number of milliseconds")
    return _read_parts("over")(measurement)


def _read_slow_pair(measurement: Measurement) -> int:
    _refuse_baseline(measurement, "over")
    return _read_slow(measurement)


def _refuse_baseline(measurement: Measurement, part: str) -> None:
    n = read_count(measurement.counts, "baseline_n")
    if read_count(measurement.counts, f"baseline_{part}") > n:
        raise ValueError(f"baseline_{part} is more than baseline_n, which is {n}")


def _read_latency_pair(measurement: Measurement) -> int:
    read_latencies(measurement.counts["baseline"])
    return sum(read_latencies(measurement.counts["buckets"]))


def _read_footprint(measurement: Measurement) -> int:
    for amount in measurement.counts.values():
        whole(amount)
    return 1


_READERS: Mapping[str, Callable[[Measurement], int]] = {
    "cells": lambda measurement: read_cells(measurement.counts).n,
    "calibration": lambda measurement: read_calibration(measurement.counts).n,
    "invariance": _read_parts("failed"),
    "direction": _read_parts("failed"),
    "minimum_functionality": _read_parts("failed"),
    "explanations": _read_parts("incomplete", "differing"),
    "deletions": _read_labelled,
    "leakage": _read_parts("leaked"),
    "latency_ms": lambda measurement: sum(read_latencies(measurement.counts["buckets"])),
    "latency_pair": _read_latency_pair,
    "footprint": _read_footprint,
    "pairs": _read_pairs,
    "labelled": _read_labelled,
    "noise": _read_parts("differing"),
    "requests": _read_parts("errors"),
    "slow": _read_slow,
    "live_latency": _read_latency_pair,
    "outcomes": _read_outcomes,
    "slow_pair": _read_slow_pair,
}
