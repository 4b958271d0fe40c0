from math import inf

import numpy as np
import pytest

from stats.quantile_sequences import quantile_ratio_sequence_bounds, quantile_sequence_bounds
from stats.quantiles import bucket_counts, latency_buckets, quantile_bounds
from stats.two_samples import rate_difference_bounds

EDGES = latency_buckets()


def latencies(n, seed=0, factor=1.0):
    return factor * np.random.default_rng(seed).lognormal(2, 0.5, n)


def counts(values):
    return bucket_counts(values, EDGES).tolist()


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [20, 300, 5000])
def test_bounds_for_every_look_hold_those_for_one(n, q):
    always = quantile_sequence_bounds(EDGES, counts(latencies(n)), q)
    once = quantile_bounds(EDGES, counts(latencies(n)), q)

    assert always.lower <= once.lower <= once.upper <= always.upper
    assert always.point == once.point


def test_a_quantile_of_few_values_is_not_bounded_above():
    assert quantile_sequence_bounds(EDGES, counts(latencies(50)), 0.95).upper == inf
    assert quantile_sequence_bounds(EDGES, [0] * len(EDGES), 0.95).n == 0


def test_looking_a_hundred_times_rarely_misses_the_quantile():
    true = float(np.exp(2 + 0.5 * 1.6448536))
    missed = 0
    for seed in range(100):
        values = latencies(2000, seed)
        looks = (quantile_sequence_bounds(EDGES, counts(values[:n]), 0.95) for n in _looks())
        missed += any(not look.lower <= true <= look.upper for look in looks)

    assert missed <= 5


def _looks():
    return range(20, 2001, 20)


def test_the_ratio_of_a_version_twice_as_slow_is_told_from_that_of_an_equal_one():
    baseline = counts(latencies(3000, seed=1))
    slower = quantile_ratio_sequence_bounds(EDGES, counts(latencies(3000, 2, 2.0)), baseline, 0.95)
    equal = quantile_ratio_sequence_bounds(EDGES, counts(latencies(3000, 2)), baseline, 0.95)

    assert slower.lower > 1.5
    assert equal.lower < 1 < equal.upper < 1.5


def test_the_difference_of_two_rates_holds_both_rates_intervals():
    found = rate_difference_bounds((40, 1000), (90, 9000), limit=0.01)

    assert found.n == 1000
    assert found.point == pytest.approx(0.03)
    assert 0 < found.lower < 0.03 < found.upper < 0.07


def test_nothing_counted_bounds_no_difference():
    assert rate_difference_bounds((0, 0), (9, 900), limit=0.01).upper > 0.9
