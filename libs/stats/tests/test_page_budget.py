import numpy as np
import pytest
from scipy.stats import beta, betabinom

from stats.nulls import NullDistribution, z_score, z_scores
from stats.page_budget import (
    THRESHOLDS,
    AlarmCurves,
    Limit,
    Rules,
    alarm_curves,
    count_alarms,
    independent_curves,
    rate_of_monitor,
)
from stats.rates import binomial_bounds, excess_p

RULES = Rules(most_z=4.0, fast_z=4.3, fast_windows=2, same_windows=24)


def test_many_z_scores_are_those_of_one():
    p = np.array([1e-15, 1e-9, 1e-4, 0.03, 0.5, 0.7, 0.999, 1.0])
    np.testing.assert_allclose(z_scores(p), [z_score(float(each)) for each in p], atol=2e-3)


def test_many_p_values_are_those_of_one():
    null = NullDistribution(np.random.default_rng(1).standard_normal(2000))
    values = np.array([[-3.0, 0.0], [2.5, 6.0]])
    one = [[null.p_value(value) for value in row] for row in values]
    np.testing.assert_allclose(null.p_values(values), one)


def test_quiet_independent_monitors_alarm_as_often_as_siegmund_says():
    z = np.random.default_rng(2).standard_normal((100, 4000))
    at_five = THRESHOLDS.searchsorted(5.0)
    simulated, exact = (
        curves.rates[0, at_five] for curves in (alarm_curves(z, RULES), independent_curves())
    )
    # Alarms within a day are one finding, so it may be a little rarer.
    assert 0.7 < simulated / exact < 1.3


def test_exact_signals_are_set_by_siegmunds_formula():
    rate = 0.085 / (60 * 168)
    limit = independent_curves().limit(rate)
    reach = 2 * limit.allowance * (limit.threshold + 1.166)
    assert 2 * limit.allowance**2 / (np.exp(reach) - reach - 1) == pytest.approx(rate, rel=0.2)


def test_a_threshold_beyond_what_was_simulated_follows_the_slope():
    h = THRESHOLDS
    rates = np.where(h <= 9, np.exp(-h), 0.0)
    unused = np.ones_like(h)
    curves = AlarmCurves(np.array([rates, unused, unused, unused]), windows=10**6)
    assert curves.limit(float(np.exp(-7.5))) == Limit(0.5, pytest.approx(7.5))
    assert curves.limit(float(np.exp(-13))) == Limit(0.5, pytest.approx(13))


def test_too_short_a_simulation_does_not_promise_a_low_threshold():
    short, long = (AlarmCurves(np.zeros((4, len(THRESHOLDS))), n) for n in (10**3, 10**9))
    assert short.limit(1e-6).threshold > 3 + long.limit(1e-6).threshold


def test_a_bias_that_lasts_is_answered_by_a_larger_allowance():
    rng = np.random.default_rng(3)
    quiet = rng.standard_normal((60, 2000))
    biased = quiet + np.abs(rng.normal(0, 0.5, size=(60, 1)))
    rate = rate_of_monitor(1.0, 60, 3600.0)
    limit = alarm_curves(biased, RULES).limit(rate)
    assert limit.allowance > 0.5
    assert count(biased, limit) <= 3
    assert count(biased, Limit(0.5, 10.0)) > 30


def count(z, limit):
    return count_alarms(z, np.array([limit.threshold]), np.array([limit.allowance]), RULES).sum()


def test_an_hours_share_of_the_budget_is_that_of_its_monitors():
    assert rate_of_monitor(1.0, 60, 3600.0) == pytest.approx(1 / 3 / (60 * 2016))


def test_two_windows_far_off_are_one_alarm_at_any_threshold():
    z = np.array([[0.0, 5.0, 5.0, 0.0], [5.0, 0.0, 5.0, 0.0]])
    assert count_alarms(z, np.array([1000.0]), np.array([0.5]), RULES).tolist() == [1, 0]


def test_alarms_of_one_day_are_one_and_later_ones_another():
    path = np.full(200, -1.0)
    path[[3, 4, 10, 11, 100, 101]] = 4.2
    assert count_alarms(path[None], np.array([5.0]), np.array([0.5]), RULES).tolist() == [2]


@pytest.mark.parametrize(
    ("count", "n", "seen", "of"), [(3, 200, 5, 1000), (40, 1000, 100, 5000), (60, 1000, 100, 5000)]
)
def test_an_excess_is_the_tail_of_the_beta_binomial(count, n, seen, of):
    truth = betabinom(n, seen + 0.5, of - seen + 0.5).pmf(np.arange(count, n + 1)).sum()
    assert excess_p(count, n, seen, of) == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize(("count", "n"), [(0, 1000), (3, 20_000), (7, 10)])
def test_bounds_of_a_rate_are_clopper_and_pearsons(count, n):
    low, high = binomial_bounds(count, n, 0.05)
    assert low == pytest.approx(beta(count, n - count + 1).ppf(0.05) if count else 0.0)
    assert high == pytest.approx(beta(count + 1, n - count).ppf(0.95))


def test_no_count_is_no_surprise_and_every_count_none_either():
    assert excess_p(0, 500, 0, 1000) == 1.0
    assert excess_p(500, 500, 500, 500) == pytest.approx(1.0, abs=0.7)
