"""Accuracy without labels, with few of them, and whether it has got worse."""

from math import log

import numpy as np
import pytest

from stats.degradation import log_e_above
from stats.estimated_accuracy import calibrate, estimated_accuracy
from stats.measured_accuracy import Guessed, Labelled, measured_accuracy, student_quantile


def rows(rng, count, sure=4.0):
    """Draw confidences that are two points too high, and whether the answer was right."""
    confidence = 0.5 + 0.5 * rng.beta(sure, 1, count)
    return confidence, rng.random(count) < confidence - 0.02


def counts(calibration, confidence):
    return np.bincount(calibration.bins_of(confidence), minlength=len(calibration.rate)) * 1.0


def test_a_confidence_is_worth_more_the_higher_it_is_and_what_it_was_worth():
    calibration = calibrate(*rows(np.random.default_rng(1), 10_000))
    assert (np.diff(calibration.rate) >= 0).all()
    assert calibration.worth(np.array([0.9]))[0] == pytest.approx(0.88, abs=0.04)


def test_pooling_gives_the_nearest_rates_that_never_fall():
    confidence = np.repeat([0.1, 0.2, 0.3, 0.4], 4)
    right = np.array([0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1], dtype=bool)
    assert calibrate(confidence, right, 4).rate.tolist() == [0.25, 0.625, 0.625, 1.0]


@pytest.mark.parametrize("sure", [4.0, 2.0], ids=["as on the labelled rows", "less sure"])
def test_an_estimate_holds_the_accuracy_of_rows_of_the_same_kind(sure):
    rng = np.random.default_rng(2)
    calibration = calibrate(*rows(rng, 10_000))
    held = 0
    for _ in range(200):
        confidence, right = rows(rng, 1000, sure)
        bounds = estimated_accuracy(counts(calibration, confidence), calibration)
        held += bounds.lower <= right.mean() <= bounds.upper
    assert held / 200 > 0.83


def test_without_rows_an_estimate_says_nothing():
    calibration = calibrate(*rows(np.random.default_rng(1), 1000))
    bounds = estimated_accuracy(np.zeros(len(calibration.rate)), calibration)
    assert (bounds.n, bounds.lower, bounds.upper) == (0, 0.0, 1.0)


def draw(rng, rate=0.85, labels=200):
    """Draw a week of 5,000 rows and 200 of them, unsure ones with triple probability."""
    guess = np.clip(rng.beta(8, 2, 5000), 0.3, 1)
    right = rng.random(5000) < np.clip(guess + rate - guess.mean(), 0, 1)
    likely = np.where(guess < 0.75, 3.0, 1.0)
    probability = likely * labels / likely.sum()
    chosen = rng.random(5000) < probability
    labelled = Labelled(right[chosen] * 1.0, guess[chosen], probability[chosen])
    return right.mean(), labelled, Guessed(5000, guess.mean(), guess.var())


def test_a_measured_interval_holds_the_accuracy_as_often_as_it_says():
    rng = np.random.default_rng(3)
    drawn = [draw(rng) for _ in range(400)]
    bounds = [(truth, measured_accuracy(labelled, week, 0.025)) for truth, labelled, week in drawn]
    held = np.mean([bound.lower <= truth <= bound.upper for truth, bound in bounds])
    assert 0.92 <= held <= 0.99


def test_a_guess_that_says_something_narrows_the_interval_and_one_that_does_not_is_not_followed():
    rng = np.random.default_rng(4)
    right = (rng.random(200) < 0.85) * 1.0
    even = np.full(200, 0.02)
    telling = np.clip(right * 0.6 + rng.random(200) * 0.4, 0, 1)
    with_it = measured_accuracy(
        Labelled(right, telling, even), Guessed(10_000, telling.mean(), telling.var())
    )
    noise = rng.random(200)
    without = measured_accuracy(Labelled(right, noise, even), Guessed(10_000, 0.5, 1 / 12))
    assert with_it.upper - with_it.lower < 0.6 * (without.upper - without.lower)
    assert without.point == pytest.approx(right.mean(), abs=0.02)


def test_a_few_labels_measure_nothing():
    one = Labelled(np.ones(1), np.ones(1), np.ones(1))
    assert measured_accuracy(one, Guessed(10, 0.8, 0.1)).lower == 0.0


@pytest.mark.parametrize(("freedom", "known"), [(10, 2.228), (30, 2.042), (199, 1.972)])
def test_students_quantile_is_the_tables(freedom, known):
    assert student_quantile(0.975, freedom) == pytest.approx(known, rel=0.005)


def test_a_rate_at_its_limit_is_hardly_ever_called_above_however_often_one_looks():
    rng = np.random.default_rng(5)
    alarms = [log_e_above((rng.random(2600) < 0.15) * 1.0, 0.15) >= log(20) for _ in range(400)]
    assert np.mean(alarms) <= 0.05


def test_weighted_rows_of_the_same_mean_are_hardly_ever_called_above_either():
    rng = np.random.default_rng(6)
    alarms = 0
    for _ in range(300):
        heavy = rng.random(1000) < 0.25
        error = rng.random(1000) < np.where(heavy, 0.05, 0.55 / 3)
        # Heavy rows were drawn three times too seldom, the others too often.
        weight = np.where(heavy, 3.0, 1 / 3)
        mean = 0.25 * 3 * 0.05 + 0.75 / 3 * 0.55 / 3
        alarms += log_e_above(error * weight, mean) >= log(20)
    assert alarms / 300 <= 0.05


def test_a_rate_well_above_its_limit_is_found_within_a_few_hundred_rows():
    rng = np.random.default_rng(7)
    found = [log_e_above((rng.random(400) < 0.27) * 1.0, 0.15) >= log(20) for _ in range(100)]
    assert np.mean(found) >= 0.95


def test_a_limit_that_is_no_rate_is_refused():
    with pytest.raises(ValueError, match="limit"):
        log_e_above(np.zeros(3), 1.0)
