from math import exp

import numpy as np
import pytest
from scipy.stats import betabinom

from stats.nulls import NullDistribution, z_score, z_scores
from stats.page_budget import (
    THRESHOLDS,
    AlarmCurve,
    Rules,
    alarm_curve,
    count_alarms,
    independent_curve,
    rate_of_monitor,
)
from stats.rates import excess_p

RULES = Rules(fast_z=4.3, fast_windows=2, same_windows=24)


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
    curve = alarm_curve(z, RULES)
    run_length = 2 * (exp(6 + 1.166) - (6 + 1.166) - 1)
    at_six = curve.rates[THRESHOLDS.searchsorted(6.0)]
    # Alarms within a day are one finding, so it may be a little rarer.
    assert 0.75 / run_length < at_six < 1.15 / run_length


def test_exact_signals_take_their_threshold_from_siegmunds_formula():
    assert independent_curve().threshold(0.085 / (60 * 168)) == pytest.approx(10, abs=0.25)


def test_a_threshold_beyond_what_was_simulated_follows_the_slope():
    h = THRESHOLDS
    rates = np.where(h <= 9, np.exp(-h), 0.0)
    curve = AlarmCurve(rates, windows=10**6)
    assert curve.threshold(float(np.exp(-7.5))) == pytest.approx(7.5)
    assert curve.threshold(float(np.exp(-13))) == pytest.approx(13)


def test_a_bias_that_lasts_raises_the_threshold():
    rng = np.random.default_rng(3)
    quiet = rng.standard_normal((60, 2000))
    biased = quiet + rng.normal(0, 0.3, size=(60, 1))
    rate = rate_of_monitor(1.0, 60, 3600.0)
    assert alarm_curve(biased, RULES).threshold(rate) > alarm_curve(quiet, RULES).threshold(rate)


def test_an_hours_share_of_the_budget_is_that_of_its_monitors():
    assert rate_of_monitor(1.0, 60, 3600.0) == pytest.approx(1 / (60 * 2016))


def test_two_windows_far_off_are_one_alarm_at_any_threshold():
    z = np.array([[0.0, 5.0, 5.0, 0.0], [5.0, 0.0, 5.0, 0.0]])
    assert count_alarms(z, np.array([1000.0]), RULES).tolist() == [[1, 0]]


def test_alarms_of_one_day_are_one_and_later_ones_another():
    path = np.full(200, -1.0)
    path[[3, 10, 100]] = 50.0
    assert count_alarms(path[None], np.array([20.0]), RULES).tolist() == [[2]]


@pytest.mark.parametrize(
    ("count", "n", "seen", "of"), [(3, 200, 5, 1000), (40, 1000, 100, 5000), (60, 1000, 100, 5000)]
)
def test_an_excess_is_the_tail_of_the_beta_binomial(count, n, seen, of):
    truth = betabinom(n, seen + 0.5, of - seen + 0.5).pmf(np.arange(count, n + 1)).sum()
    assert excess_p(count, n, seen, of) == pytest.approx(truth, rel=1e-6)


def test_no_count_is_no_surprise_and_every_count_none_either():
    assert excess_p(0, 500, 0, 1000) == 1.0
    assert excess_p(500, 500, 500, 500) == pytest.approx(1.0, abs=0.7)
