from itertools import product
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from stats.classification import (
    Cells,
    accuracy,
    class_scores,
    macro_f1,
    macro_f1_bounds,
    macro_f1_difference_bounds,
    macro_precision,
    macro_recall,
)

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1)


def cells_of(columns):
    truth, baseline, candidate = zip(*columns, strict=True)
    return Cells.from_rows(truth, candidate, baseline, classes=4)


@given(rows=rows)
def test_scores_from_cells_are_those_of_the_rows(rows):
    truth, _, candidate = zip(*rows, strict=True)
    confusion = cells_of(rows).candidate
    macro = {"average": "macro", "zero_division": 0}
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, candidate, **macro))
    assert macro_precision(confusion) == pytest.approx(precision_score(truth, candidate, **macro))
    assert macro_recall(confusion) == pytest.approx(recall_score(truth, candidate, **macro))
    assert accuracy(confusion) == pytest.approx(np.mean(np.equal(truth, candidate)))


@given(rows=rows)
def test_wins_and_losses_are_rows_that_only_one_model_got_right(rows):
    cells = cells_of(rows)
    assert cells.n == len(rows)
    assert cells.wins == sum(t == c != b for t, b, c in rows)
    assert cells.losses == sum(t == b != c for t, b, c in rows)


@given(rows=rows)
def test_bootstrap_bounds_hold_the_score_and_stay_in_range(rows):
    cells = cells_of(rows)
    floor = macro_f1_bounds(cells.candidate, resamples=100)
    difference = macro_f1_difference_bounds(cells.counts, resamples=100)
    assert 0 <= floor.lower <= floor.point <= floor.upper <= 1
    assert -1 <= difference.lower <= difference.point <= difference.upper <= 1


def test_bootstrap_quantiles_are_those_of_all_resamples_of_a_small_table():
    confusion = np.array([[5, 1], [2, 4]])
    exact = exact_macro_f1_distribution(confusion)
    bounds = macro_f1_bounds(confusion, resamples=20_000, seed=1)
    assert exact_tail(exact, bounds.lower) == pytest.approx(0.05, abs=0.025)
    assert exact_tail(exact, bounds.upper) == pytest.approx(0.95, abs=0.025)


def exact_macro_f1_distribution(confusion):
    n, shares = int(confusion.sum()), confusion.ravel() / confusion.sum()
    outcomes = []
    for counts in product(range(n + 1), repeat=3):
        if sum(counts) <= n:
            full = (*counts, n - sum(counts))
            ways = factorial(n) / prod(factorial(c) for c in full)
            chance = ways * prod(s**c for s, c in zip(shares, full, strict=True))
            outcomes.append((macro_f1(np.array(full).reshape(2, 2)), chance))
    return outcomes


def exact_tail(distribution, value):
    return sum(chance for score, chance in distribution if score <= value + 1e-12)


def test_the_same_seed_gives_the_same_bounds_and_identical_models_do_not_differ():
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    counts[0, 0, 0], counts[1, 1, 1], counts[0, 1, 1] = 50, 40, 10
    bounds = macro_f1_difference_bounds(counts)
    assert (bounds.lower, bounds.point, bounds.upper) == (0, 0, 0)
    assert macro_f1_bounds(counts.sum(axis=1)) == macro_f1_bounds(counts.sum(axis=1))


def test_a_clearly_worse_candidate_has_an_upper_bound_below_zero():
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    counts[0, 0, 0] = counts[1, 1, 1] = 400
    counts[0, 0, 1] = counts[1, 1, 0] = 80
    assert macro_f1_difference_bounds(counts).upper < -0.1


def test_class_scores_come_in_label_order_with_their_support():
    scores = class_scores([[3, 1], [0, 6]])
    assert [s.support for s in scores] == [4, 6]
    assert (scores[0].precision, scores[0].recall) == (1.0, 0.75)


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros(3, dtype=int),
        np.zeros((2, 3), dtype=int),
        np.full((2, 2), 0.5),
        np.full((2, 2), -1),
    ],
    ids=["flat", "oblong", "fractions", "negative"],
)
def test_tables_that_are_not_cells_are_refused(counts):
    with pytest.raises(ValueError, match="cells"):
        Cells(counts)
