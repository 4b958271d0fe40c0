from math import inf

import pytest

from stats.counts import read_calibration
from stats.measures import MEASURES
from stats.quantiles import latency_buckets

COUNTS = {
    "cells": {"labels": ["a", "b"], "cells": [[0, 0, 0, 400], [1, 1, 1, 400], [1, 1, 0, 20]]},
    "calibration": {"bins": [[100, 90, 85.0, 6.0]]},
    "invariance": {"n": 200, "failed": 2},
    "direction": {"n": 200, "failed": 2},
    "minimum_functionality": {"n": 200, "failed": 2},
    "explanations": {"n": 300, "incomplete": 1, "differing": 0},
    "deletions": {"n": 290, "wins": 270, "losses": 12, "named_drop": 0.2, "random_drop": 0.03},
    "leakage": {"n": 1000, "leaked": 1},
    "latency_ms": {"buckets": [[latency_buckets()[80], 1000]]},
    "latency_pair": {
        "buckets": [[latency_buckets()[80], 1000]],
        "baseline": [[latency_buckets()[70], 1000]],
    },
    "footprint": {"artifact_bytes": 1000, "memory_bytes": 2000},
    "pairs": {"n": 100, "bad": 3, "missing": 1, "eligible": 100, "paired": 99},
    "labelled": {"n": 100, "wins": 3, "losses": 1},
    "requests": {"n": 100, "errors": 1},
    "slow": {"n": 100, "over": 1, "limit_ms": 150},
    "slow_pair": {"n": 100, "over": 1, "baseline_n": 900, "baseline_over": 9, "limit_ms": 150},
    "outcomes": {"n": 100, "errors": 1, "baseline_n": 900, "baseline_errors": 2},
}
COUNTS["live_latency"] = COUNTS["latency_pair"]


def bounds(measure, counts=None, limit=0.1, alpha=0.05):
    found = MEASURES[measure]
    return found.bounds(counts or COUNTS[found.counts], limit, alpha)


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_has_bounds_that_widen_with_certainty(measure):
    usual, sure = bounds(measure), bounds(measure, alpha=0.005)

    assert usual.n > 0
    assert sure.lower <= usual.lower <= usual.point <= usual.upper <= sure.upper


def test_a_ratio_of_latencies_holds_the_ratio_of_the_buckets():
    edges = latency_buckets()
    found = bounds("latency_ratio_p95")

    assert found.lower <= edges[80] / edges[70] <= found.upper
    assert found.upper / found.lower < 1.25


def test_a_ratio_with_too_few_values_is_not_bounded_above():
    few = {**COUNTS["latency_pair"], "buckets": [[latency_buckets()[80], 20]]}

    assert bounds("latency_ratio_p95", few).upper == inf


def test_a_share_of_rows_that_were_all_looked_at_is_exact():
    found = bounds("leaked_ratio")

    assert (found.lower, found.point, found.upper) == (0.001, 0.001, 0.001)


def test_errors_on_the_same_requests_say_more_than_errors_on_different_ones():
    apart = {"n": 1000, "errors": 40, "baseline_n": 1000, "baseline_errors": 10}
    found = bounds("error_difference", {"n": 1000, "wins": 0, "losses": 30})

    assert found.point == bounds("error_difference", apart).point == 0.03
    assert found.lower > 0 > bounds("error_difference", apart).lower


@pytest.mark.parametrize(
    ("mirror", "known"),
    [({}, True), ({"mirror_percent": 20}, False), ({"mirror_percent": 20, "mirrored": 98}, True)],
    ids=["all is mirrored", "some, uncounted", "some, counted"],
)
def test_coverage_of_a_mirror_that_nobody_counted_is_not_known(mirror, known):
    assert (bounds("coverage", COUNTS["pairs"] | mirror) is not None) == known


def test_what_was_not_weighed_has_no_bounds():
    assert bounds("memory_bytes", {"artifact_bytes": 1000}) is None


@pytest.mark.parametrize(
    "row",
    [
        [10, 11, 5.0, 0.0],
        [10, 5, 6.0, 1.0],
        [10, 5, float("nan"), 1.0],
        [10, 5, 1.0],
        [10, -1, 0, 0],
    ],
)
def test_bins_that_cannot_be_are_refused(row):
    with pytest.raises(ValueError, match=r"bins|confidences|whole"):
        read_calibration({"bins": [row]})
