from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import chi2, ks_2samp, power_divergence

from stats.cusum import Cusum, cusum_step
from stats.nulls import NullDistribution, bootstrap_means, reference_inflation, z_score
from stats.two_sample import (
    chi2_survival,
    cosine_distance,
    g_statistic,
    g_test_p,
    ks_statistic,
    mmd2,
    rff_features,
    rff_frequencies,
)


def mean_features(rows, frequencies):
    return rff_features(rows, frequencies).mean(axis=0)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 28])
def test_chi_square_tail_is_exact_far_out(degrees):
    for statistic in (0.1, 3.0, 20.0, 150.0):
        assert chi2_survival(statistic, degrees) == pytest.approx(chi2.sf(statistic, degrees))


def test_g_test_is_that_of_the_two_by_k_table():
    window, reference = np.array([30.0, 50.0, 20.0]), np.array([400.0, 400.0, 200.0])
    pooled = (window + reference) / (window.sum() + reference.sum())
    expected = np.concatenate([pooled * window.sum(), pooled * reference.sum()])
    oracle = power_divergence(np.concatenate([window, reference]), expected, lambda_=0)
    assert float(g_statistic(window, reference)) == pytest.approx(oracle.statistic)
    assert g_test_p(window, reference) == pytest.approx(chi2.sf(oracle.statistic, 2))


def test_g_test_survives_a_class_the_reference_never_saw():
    assert g_test_p(np.array([50.0, 50.0, 30.0]), np.array([500.0, 500.0, 0.0])) < 1e-9
    assert g_test_p(np.array([50.0, 0.0]), np.array([500.0, 0.0])) == 1.0


def test_ks_of_fine_histograms_is_that_of_the_rows():
    rng = np.random.default_rng(7)
    left, right = rng.normal(size=400), rng.normal(0.3, 1, size=600)
    edges = np.sort(np.concatenate([left, right]))
    shares = [
        np.bincount(np.searchsorted(edges, v), minlength=1000) / len(v) for v in (left, right)
    ]
    assert float(ks_statistic(*shares)) == pytest.approx(ks_2samp(left, right).statistic)


def test_random_features_approximate_the_kernel_they_stand_for():
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(300, 64))
    frequencies = rff_frequencies(rows, seed=1)
    assert frequencies.shape == (512, 64)
    features = rff_features(rows, frequencies)
    assert features.shape == (300, 1024)
    np.testing.assert_allclose((features**2).sum(axis=1), 1.0)
    distance = np.median(np.linalg.norm(rows[:150] - rows[150:], axis=1))
    kernel = np.mean([np.exp(-0.5 / w**2) for w in (0.5, 1, 2)])
    apart = (features[:150] * features[150:]).sum(axis=1).mean()
    assert distance == pytest.approx(np.sqrt(2 * 64), rel=0.05)
    assert apart == pytest.approx(kernel, abs=0.03)


def test_mmd_grows_with_the_shift_and_cosine_is_mostly_one_over_n():
    rng = np.random.default_rng(9)
    reference = rng.normal(size=(5000, 64))
    frequencies = rff_frequencies(reference, seed=1)
    middle = mean_features(reference, frequencies)
    shifts = [
        mmd2(mean_features(rng.normal(s, 1, size=(500, 64)), frequencies), middle)
        for s in (0, 0.2, 0.5)
    ]
    assert shifts[0] < shifts[1] < shifts[2]
    unit = reference + 1.0
    small, large = (cosine_distance(unit[:n].mean(axis=0), unit.mean(axis=0)) for n in (20, 500))
    assert large < small < 0.2


def test_p_values_of_a_fitted_tail_follow_the_normal_far_beyond_the_samples():
    null = NullDistribution(np.random.default_rng(10).standard_normal(10_000))
    for z in (0.0, 1.645, 2.5, 3.5, 4.5):
        truth = 1 - NormalDist().cdf(z)
        assert z_score(null.p_value(z)) == pytest.approx(z, abs=0.45 if z > 3 else 0.05)
        assert null.p_value(z) >= truth / 3
    assert null.p_value(1e9) == pytest.approx(1e-15)
    assert 0.9999 < null.p_value(-9.0) < 1


def test_a_heavy_tail_is_not_cut_off():
    null = NullDistribution(np.random.default_rng(11).pareto(3.0, size=10_000))
    truth = (1 + 25.0) ** -3
    assert truth / 6 < null.p_value(25.0) < truth * 6


def test_a_constant_null_calls_the_same_value_ordinary_and_a_larger_one_impossible():
    null = NullDistribution(np.zeros(200))
    assert null.p_value(0.0) > 0.99
    assert null.p_value(1e-6) < 1e-9


def false_alarms(reference_n, inflate, windows=150, n=200):
    """Share of quiet windows beyond the nominal 1% point of a null drawn from the reference."""
    rng = np.random.default_rng(12)
    alarms = 0
    for _ in range(windows // 10):
        reference = rng.standard_normal((reference_n, 64))
        middle = reference.mean(axis=0)
        null = np.concatenate(
            [mmd2(m, middle) for m in bootstrap_means(reference, n, 1000, seed=1)]
        )
        limit = np.quantile(null, 0.99) * (reference_inflation(n, reference_n) if inflate else 1)
        fresh = rng.standard_normal((10, n, 64)).mean(axis=1)
        alarms += int((mmd2(fresh, middle) > limit).sum())
    return alarms / windows


def test_a_null_from_the_reference_itself_needs_the_inflation():
    assert false_alarms(200, inflate=False) > 0.8
    assert false_alarms(200, inflate=True) < 0.03
    assert false_alarms(2000, inflate=True) < 0.05


def test_blocks_of_similar_rows_widen_the_null():
    rng = np.random.default_rng(13)
    blocks = np.repeat(np.arange(100), 20)
    rows = rng.normal(size=(100, 4))[blocks] + rng.normal(size=(2000, 4))
    single, whole = (
        np.concatenate(list(bootstrap_means(rows, 200, 500, seed=1, blocks=b))).var(axis=0).mean()
        for b in (None, blocks)
    )
    assert whole > 5 * single


def windows_until_alarm(shift, rng):
    monitor, windows = Cusum(), 0
    while not monitor.alarms():
        monitor, windows = monitor.step(rng.normal(shift, 1)), windows + 1
    return windows


@pytest.mark.parametrize(("shift", "windows"), [(1, 20), (2, 7.4), (3, 4.6)])
def test_cusum_finds_a_shift_as_late_as_the_fact_sheet_says(shift, windows):
    rng = np.random.default_rng(14)
    delays = [windows_until_alarm(shift, rng) for _ in range(150)]
    assert np.mean(delays) == pytest.approx(windows, rel=0.15)


def test_cusum_stays_quiet_for_months_without_drift():
    z = np.random.default_rng(15).standard_normal((60, 24 * 7 * 4))
    alarms = 0
    for monitor in z:
        value = 0.0
        for step in monitor:
            value = cusum_step(value, float(step))
            if value > 10:
                alarms, value = alarms + 1, 0.0
    assert alarms <= 3  # 0.34 expected


def test_cusum_forgets_when_it_was_last_zero():
    monitor = Cusum().step(2.0).step(1.0)
    assert (monitor.value, monitor.windows) == (2.0, 2)
    assert monitor.step(-5.0) == Cusum()
