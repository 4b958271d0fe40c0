import numpy as np
import pytest

from stats.calibration import CalibrationBins, calibration_error, calibration_error_bounds


def rows(count, accuracy, confidence):
    return np.full(count, confidence), np.arange(count) < accuracy * count


def test_a_model_that_is_as_sure_as_it_is_right_has_no_error():
    bins = CalibrationBins.from_rows([0.75] * 400, [True, True, True, False] * 100, bins=1)

    assert calibration_error(bins) == pytest.approx(0)


def test_the_error_is_the_gap_between_confidence_and_accuracy():
    bins = CalibrationBins.from_rows([0.9] * 100, [True] * 60 + [False] * 40, bins=1)

    assert calibration_error(bins) == pytest.approx(0.3)


def test_gaps_in_two_bins_do_not_cancel():
    sure = [0.6] * 100 + [0.9] * 100
    right = [True] * 80 + [False] * 20 + [True] * 70 + [False] * 30
    bins = CalibrationBins.from_rows(sure, right, bins=2)

    assert calibration_error(bins) == pytest.approx(0.2)


def test_bins_are_of_equal_mass():
    confidences = np.linspace(0.5, 1, 150)
    bins = CalibrationBins.from_rows(confidences, [True] * 150)

    assert set(bins.table[:, 0]) == {10}
    assert bins.n == 150


def test_bounds_hold_the_error_and_narrow_with_more_rows():
    few, many = (
        calibration_error_bounds(CalibrationBins.from_rows(*rows(n, 0.7, 0.9), bins=1))
        for n in (200, 5000)
    )

    assert few.lower <= 0.2 <= few.upper
    assert many.lower <= 0.2 <= many.upper
    assert many.upper - many.lower < few.upper - few.lower


def test_a_calibrated_model_is_rarely_called_wrong():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(200):
        sure = rng.uniform(0.5, 1, 1000)
        bins = CalibrationBins.from_rows(sure, rng.random(1000) < sure)
        wrong += calibration_error_bounds(bins, resamples=200).lower > 0

    assert wrong <= 20


def test_without_rows_nothing_is_known():
    bounds = calibration_error_bounds(CalibrationBins(np.zeros((1, 4))))

    assert (bounds.n, bounds.lower, bounds.upper) == (0, 0, 1)
