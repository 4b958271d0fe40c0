from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.confidence_sequences import beta_binomial_bounds, beta_binomial_log_e

REJECT = log(1 / 0.05)


def looks_until_decided(truth, limit, *, runs, seed, longest=20_000):
    """Return per run (pairs, failed), looking every 100; undecided runs count one look more."""
    every = 100
    rng = np.random.default_rng(seed)
    decided = []
    for _ in range(runs):
        bad = np.cumsum(rng.random(longest) < truth)[every - 1 :: every]
        at, failed = longest + every, False
        for look, successes in enumerate(bad, start=1):
            n = look * every
            log_e = beta_binomial_log_e(int(successes), n, limit)
            if log_e >= REJECT:
                at, failed = n, successes / n > limit
                break
        decided.append((at, failed))
    return np.array(decided)


def test_a_rate_at_its_limit_fails_at_most_alpha_of_the_time_however_often_one_looks():
    decided = looks_until_decided(0.05, 0.05, runs=300, seed=1)
    assert decided[:, 1].mean() <= 0.04


@pytest.mark.parametrize(
    ("limit", "truth", "low", "high"),
    [
        (0.05, 0.08, 400, 800),
        (0.05, 0.20, 100, 100),
        (0.05, 0.02, 300, 500),
        (0.02, 0.01, 900, 1600),
    ],
    ids=["fail-8-of-5", "fail-20-of-5", "pass-2-of-5", "pass-1-of-2"],
)
def test_pairs_to_a_decision_are_those_of_the_fact_sheet(limit, truth, low, high):
    decided = looks_until_decided(truth, limit, runs=120, seed=2, longest=6000)
    assert low <= np.median(decided[:, 0]) <= high
    assert decided[:, 1].mean() == pytest.approx(float(truth > limit), abs=0.05)


@given(n=st.integers(1, 3000), share=st.floats(0, 1), limit=st.floats(0.001, 0.5))
def test_bounds_agree_with_the_decision_at_the_limit(n, share, limit):
    successes = round(n * share)
    bounds = beta_binomial_bounds(successes, n, limit)
    rejected = beta_binomial_log_e(successes, n, limit) >= REJECT
    assert rejected == (limit <= bounds.lower or limit >= bounds.upper)


@given(k=st.integers(0, 40), m=st.integers(1, 40))
def test_bounds_narrow_when_the_same_share_is_seen_in_more_rows(k, m):
    few = beta_binomial_bounds(k, k + m, 0.05)
    many = beta_binomial_bounds(10 * k, 10 * (k + m), 0.05)
    assert many.upper - many.lower <= few.upper - few.lower
    assert 0 <= few.lower <= few.point <= few.upper <= 1


def test_without_rows_nothing_is_known():
    bounds = beta_binomial_bounds(0, 0, 0.05)
    assert (bounds.lower, bounds.upper) == (0, 1)


@pytest.mark.parametrize(
    ("successes", "n", "limit"), [(3, 2, 0.1), (-1, 2, 0.1), (1, 2, 0.0), (1, 2, 1.0)]
)
def test_impossible_counts_and_limits_are_refused(successes, n, limit):
    with pytest.raises(ValueError, match=r"expected|limit"):
        beta_binomial_bounds(successes, n, limit)
