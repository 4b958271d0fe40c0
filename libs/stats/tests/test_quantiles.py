from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from stats.quantiles import _ranks, bucket_counts, latency_buckets, quantile_bounds


def test_latency_buckets_rise_in_five_percent_steps_to_a_minute():
    edges = np.array(latency_buckets())
    assert edges[0] == 0.1
    assert edges[-1] == 60_000
    assert (np.diff(edges) / edges[:-1]).max() <= 0.0501


@pytest.mark.parametrize(("q", "fewest"), [(0.95, 59), (0.99, 299)])
def test_the_upper_bound_is_infinite_until_there_are_enough_values(q, fewest):
    assert quantile_bounds([1.0, 2.0], [fewest - 1, 0], q).upper == inf
    assert quantile_bounds([1.0, 2.0], [fewest, 0], q).upper == 1.0


@given(n=st.integers(1, 2000), q=st.floats(0.01, 0.99))
def test_ranks_are_the_exact_binomial_ones(n, q):
    low, high = _ranks(n, q, 0.05)
    assert binom.cdf(low - 1, n, q) <= 0.05 + 1e-9 < binom.cdf(low, n, q) + 2e-9
    assert binom.cdf(high - 1, n, q) >= 0.95 - 1e-9
    assert high == 0 or binom.cdf(high - 2, n, q) < 0.95 + 1e-9


def test_bounds_cover_the_true_quantile_as_often_as_they_say():
    rng = np.random.default_rng(6)
    edges, truth = latency_buckets(), float(np.exp(3 + 1.645 * 0.5))
    over = under = 0
    for _ in range(300):
        counts = bucket_counts(np.exp(rng.normal(3, 0.5, size=500)), edges)
        bounds = quantile_bounds(edges, counts.tolist(), 0.95)
        over += bounds.lower > truth
        under += bounds.upper < truth
    assert over / 300 <= 0.07
    assert under / 300 <= 0.07


@given(values=st.lists(st.floats(0.01, 1e6), min_size=1), q=st.floats(0.05, 0.99))
def test_bounds_hold_the_sample_quantile(values, q):
    edges = latency_buckets()
    bounds = quantile_bounds(edges, bucket_counts(values, edges).tolist(), q)
    ordered = sorted(values)
    rank = min(len(values), int(np.ceil(len(values) * q)))
    assert bounds.lower <= ordered[rank - 1] <= bounds.point <= bounds.upper


def test_values_above_the_last_edge_are_counted_and_have_no_upper_bound():
    assert bucket_counts([0.5, 1.0, 9.0], [1.0, 2.0]).tolist() == [2, 0, 1]
    assert quantile_bounds([1.0, 2.0], [0, 0, 1000], 0.5).upper == inf
    assert quantile_bounds([1.0, 2.0], [0, 0], 0.5).n == 0
