"""How often a classifier is right, from few labelled rows and a guess for all rows.

Prediction-powered inference with power tuning (PPI++, arXiv 2311.01453): the guess f, a calibrated
confidence, narrows the interval as far as it agrees with the labels, and cannot bias it. Labelled
rows need not be drawn evenly: each is weighted by one over the probability that it was drawn with
(Hajek's ratio). Small samples take Student's quantile (arXiv 2505.20178 on why).
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stats.bounds import Bounds

Floats = NDArray[np.float64]

FEWEST_LABELS = 30
"""Below, the interval is wider than anything that is decided by it, and not to be trusted."""


@dataclass(frozen=True)
class Labelled:
    """Labelled rows: `right` [n] is 1 where the answer was right, `guess` [n] how likely that
    seemed, `probability` [n] with which the row was drawn.
    """

    right: Floats
    guess: Floats
    probability: Floats


@dataclass(frozen=True)
class Guessed:
    """The guesses of all `n` rows that the labelled ones were drawn from."""

    n: int
    mean: float
    variance: float


def measured_accuracy(labelled: Labelled, rows: Guessed, alpha: float = 0.05) -> Bounds:
    """Return the share of right answers among all rows, each side at alpha; one look only."""
    n = len(labelled.right)
    if n < 2 or rows.n == 0:
        return Bounds(n, 0.0, rows.mean, 1.0)
    weight = 1 / labelled.probability
    weight = weight / weight.sum()
    power = _power(labelled, weight, rows)
    rest = labelled.right - power * labelled.guess
    mean_rest = float(weight @ rest)
    point = min(1.0, max(0.0, power * rows.mean + mean_rest))
    spread = (weight**2 * (rest - mean_rest) ** 2).sum() * n / (n - 1)
    variance = power**2 * rows.variance / rows.n + float(spread)
    half = student_quantile(1 - alpha, _rows_worth(weight) - 1) * sqrt(variance)
    return Bounds(n, max(0.0, point - half), point, min(1.0, point + half))


def student_quantile(share: float, freedom: float) -> float:
    """Return Student's t by Cornish and Fisher's expansion: to 0.5 % from 10 degrees on."""
    z = NormalDist().inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    v = max(freedom, 2.0)
    return z + first / v + second / v**2 + third / v**3


def _power(labelled: Labelled, weight: Floats, rows: Guessed) -> float:
    """Return how far the guess is followed: 0 where it says nothing, 1 where it says all."""
    guess = labelled.guess - weight @ labelled.guess
    right = labelled.right - weight @ labelled.right
    variance = float(weight @ guess**2)
    if variance <= 0:
        return 0.0
    power = float(weight @ (guess * right)) / ((1 + len(right) / rows.n) * variance)
    return min(1.0, max(0.0, power))


def _rows_worth(weight: Floats) -> float:
    """Return how many evenly drawn rows as unevenly weighted ones are worth (Kish 1965)."""
    return 1 / float((weight**2).sum())
