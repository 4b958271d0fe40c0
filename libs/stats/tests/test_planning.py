import numpy as np
import pytest

from stats.confidence_sequences import beta_binomial_bounds
from stats.paired import accuracy_difference_bounds
from stats.planning import (
    rows_for_difference,
    rows_for_quantile,
    rows_for_rate,
    rows_for_rates_apart,
)
from stats.quantile_sequences import quantile_sequence_bounds
from stats.quantiles import latency_buckets


@pytest.mark.parametrize(("rate", "passes"), [(0.02, True), (0.10, False)])
def test_as_many_runs_as_promised_decide_within_the_rows(rate, passes):
    n = rows_for_rate(0.05, rate, 0.05, power=0.8)
    drawn = np.random.default_rng(1).binomial(n, rate, 400)
    bounds = [beta_binomial_bounds(int(bad), n, 0.05) for bad in drawn]
    decided = [b.upper <= 0.05 if passes else b.lower > 0.05 for b in bounds]

    assert 0.74 <= np.mean(decided) <= 0.95


@pytest.mark.parametrize(("difference", "passes"), [(0.0, True), (-0.06, False)])
def test_a_difference_is_decided_within_the_rows(difference, passes):
    n = rows_for_difference((-0.02, -0.02), (difference, 0.1), 0.05, power=0.8)
    chances = [(0.1 + difference) / 2, (0.1 - difference) / 2, 0.9]
    drawn = np.random.default_rng(1).multinomial(n, chances, 200)
    bounds = [accuracy_difference_bounds(int(wins), int(losses), n) for wins, losses, _ in drawn]
    decided = [b.lower > -0.02 if passes else b.upper < -0.02 for b in bounds]

    assert 0.7 <= np.mean(decided) <= 0.95


def test_what_lies_at_the_limit_is_never_decided():
    assert rows_for_rate(0.05, 0.05, 0.05, 0.8) is None
    assert rows_for_difference((-0.02, -0.02), (-0.02, 0.1), 0.05, 0.8) is None


def test_a_canarys_small_share_needs_more_of_all_requests_not_of_its_own():
    small = rows_for_rates_apart(0.01, (0.005, 0.005), 0.1, 0.05)
    half = rows_for_rates_apart(0.01, (0.005, 0.005), 0.5, 0.05)

    assert small < half < small / 0.1


def test_a_quantile_is_bounded_from_that_many_values_on():
    n = rows_for_quantile(0.95, 0.05)
    edges = latency_buckets()
    below, at = (
        quantile_sequence_bounds(edges, [rows] + [0] * (len(edges) - 1), 0.95)
        for rows in (n - 2, n)
    )

    assert below.upper > 1000 > at.upper
