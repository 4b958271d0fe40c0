from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from stats.paired import (
    accuracy_difference_bounds,
    log_k_fail,
    log_k_pass,
    mcnemar_p,
    sequential_mcnemar_log_e,
)

ENOUGH = log(1 / 0.05)


@st.composite
def paired_counts(draw):
    wins, losses, ties = (draw(st.integers(0, 300)) for _ in range(3))
    return wins, losses, max(1, wins + losses + ties)


def simulate(win_rate, loss_rate, *, runs, seed, longest):
    """Return per run the cumulated (n, wins, losses) at every look, one per 100 rows."""
    every = 100
    rng = np.random.default_rng(seed)
    n = np.arange(every, longest + 1, every)
    for _ in range(runs):
        draws = rng.random(longest)
        wins = np.cumsum(draws < win_rate)[every - 1 :: every]
        losses = np.cumsum(draws > 1 - loss_rate)[every - 1 :: every]
        yield list(zip(n.tolist(), wins.tolist(), losses.tolist(), strict=True))


@given(counts=paired_counts(), margin=st.floats(-0.99, 0.99))
def test_bounds_agree_with_the_direct_test_of_any_margin(counts, margin):
    wins, losses, n = counts
    bounds = accuracy_difference_bounds(wins, losses, n)
    tiny = 1e-9
    if log_k_pass(wins, losses, n, margin) >= ENOUGH + tiny:
        assert bounds.lower >= -margin - tiny
    else:
        assert bounds.lower <= -margin + tiny
    if log_k_fail(wins, losses, n, margin) >= ENOUGH + tiny:
        assert bounds.upper <= -margin + tiny
    else:
        assert bounds.upper >= -margin - tiny


@given(counts=paired_counts(), low=st.floats(-1, 1), high=st.floats(-1, 1))
def test_evidence_for_a_wider_margin_is_never_weaker(counts, low, high):
    low, high = sorted((low, high))
    assert log_k_pass(*counts, low) <= log_k_pass(*counts, high) + 1e-9


@given(counts=paired_counts())
def test_bounds_hold_the_difference_and_mirror_when_the_models_change_places(counts):
    wins, losses, n = counts
    bounds, mirrored = (
        accuracy_difference_bounds(wins, losses, n),
        accuracy_difference_bounds(losses, wins, n),
    )
    assert -1 <= bounds.lower <= bounds.point <= bounds.upper <= 1
    assert bounds.lower == pytest.approx(-mirrored.upper)


@given(wins=st.integers(0, 30), losses=st.integers(0, 30), ties=st.integers(1, 300))
def test_bounds_narrow_when_the_same_shares_are_seen_in_more_rows(wins, losses, ties):
    n = wins + losses + ties
    few = accuracy_difference_bounds(wins, losses, n)
    many = accuracy_difference_bounds(10 * wins, 10 * losses, 10 * n)
    assert many.upper - many.lower <= few.upper - few.lower + 1e-9


def test_a_candidate_exactly_at_the_margin_rarely_passes_or_fails():
    passed = failed = 0
    for looks in simulate(0.015, 0.035, runs=150, seed=3, longest=10_000):
        passed += any(log_k_pass(w, b, n, 0.02) >= ENOUGH for n, w, b in looks)
        failed += any(log_k_fail(w, b, n, 0.02) >= ENOUGH for n, w, b in looks)
    assert passed / 150 <= 0.06
    assert failed / 150 <= 0.06


def test_an_equal_candidate_passes_after_about_a_thousand_pairs():
    needed = []
    for looks in simulate(0.025, 0.025, runs=100, seed=4, longest=6000):
        passes = (n for n, w, b in looks if log_k_pass(w, b, n, 0.02) >= ENOUGH)
        needed.append(next(passes, 6100))
    assert 800 <= np.median(needed) <= 1400


def test_sequential_mcnemar_rarely_fails_equal_models_at_every_look():
    failed = 0
    for looks in simulate(0.025, 0.025, runs=300, seed=5, longest=10_000):
        failed += any(sequential_mcnemar_log_e(b, w) >= ENOUGH and b > w for _, w, b in looks)
    assert failed / 300 <= 0.04


@given(b=st.integers(0, 24), c=st.integers(0, 24))
def test_mcnemar_below_25_rows_is_the_exact_p_less_half_of_what_was_seen(b, c):
    if 0 < b + c < 25:
        exact = binomtest(b, b + c).pvalue
        assert mcnemar_p(b, c) <= exact + 1e-12
        assert mcnemar_p(b, c) == mcnemar_p(c, b)


def test_mcnemar_of_larger_samples_is_the_chi_square_without_correction():
    assert mcnemar_p(40, 20) == pytest.approx(0.009823, abs=1e-6)
    assert mcnemar_p(0, 0) == 1.0


@pytest.mark.parametrize(("wins", "losses", "n"), [(-1, 0, 5), (3, 3, 5)])
def test_counts_that_do_not_fit_are_refused(wins, losses, n):
    with pytest.raises(ValueError, match="do not fit"):
        accuracy_difference_bounds(wins, losses, n)
