"""How often a classifier is right on rows without labels, from how sure it is of them.

Confidence-based performance estimation: a confidence is worth what it was worth on labelled rows,
by isotonic regression (pool adjacent violators; Zadrozny and Elkan 2002), and the estimate is the
mean of that. It holds while the rows are of the kind that was calibrated on: on novel texts it is
too high (7.6 points at a tenth of them), so a caller looks at novelty before it believes one.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from stats.bounds import Bounds

Floats = NDArray[np.float64]

BINS = 32
"""Quantiles of the labelled rows; 300 rows a bin at 10,000, and counts in bins can be added up."""


@dataclass(frozen=True)
class Calibration:
    """What a confidence is worth: `rate` [b] of right answers among `rows` [b] in the bins that
    `edges` [b - 1] part. The rates never fall; neighbours with one rate were pooled.
    """

    edges: Floats
    rate: Floats
    rows: Floats

    def bins_of(self, confidences: Floats) -> NDArray[np.intp]:
        """Return the bin of each confidence."""
        return np.searchsorted(self.edges, confidences, side="left")

    def worth(self, confidences: Floats) -> Floats:
        """Return how often answers of such a confidence are right."""
        return self.rate[self.bins_of(confidences)]

    @property
    def accuracy(self) -> float:
        """The share that was right of the rows it was made from."""
        return float(self.rate @ self.rows / self.rows.sum())


def calibrate(confidences: Floats, right: NDArray[np.bool_], bins: int = BINS) -> Calibration:
    """Return what confidences are worth by labelled rows; ValueError without any."""
    if not len(confidences):
        raise ValueError("no rows to calibrate on")
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(np.quantile(confidences, inner))
    place = np.searchsorted(edges, confidences, side="left")
    rows = np.bincount(place, minlength=len(edges) + 1).astype(np.float64)
    hits = np.bincount(place, weights=right, minlength=len(edges) + 1).astype(np.float64)
    return Calibration(edges, _pooled_rates(rows, hits), rows)


def estimated_accuracy(counts: Floats, calibration: Calibration, alpha: float = 0.05) -> Bounds:
    """Return the share of right answers among rows with these counts [b] by bin.

    The bounds hold what the labelled rows leave open and how far this many rows scatter.
    """
    n = int(counts.sum())
    if n == 0:
        return Bounds(0, 0.0, calibration.accuracy, 1.0)
    share = counts / n
    point = float(share @ calibration.rate)
    spread = _deviation(share, calibration, n) * NormalDist().inv_cdf(1 - alpha)
    return Bounds(n, max(0.0, point - spread), point, min(1.0, point + spread))


def _deviation(share: Floats, calibration: Calibration, n: int) -> float:
    _, pool = np.unique(calibration.rate, return_inverse=True)
    rows = np.bincount(pool, weights=calibration.rows)
    hits = np.bincount(pool, weights=calibration.rows * calibration.rate)
    # As with two rows more, one of them right: a pool without an error is not without doubt.
    rate = (hits + 1) / (rows + 2)
    scatter = rate * (1 - rate)
    weight = np.bincount(pool, weights=share)
    return sqrt(float((weight**2 * scatter / (rows + 2)).sum() + (weight * scatter).sum() / n))


def _pooled_rates(rows: Floats, hits: Floats) -> Floats:
    """Pool adjacent bins until no rate is below the one before it."""
    pools: list[tuple[float, float, int]] = []
    for size, right in zip(rows, hits, strict=True):
        pools.append((float(size), float(right), 1))
        while len(pools) > 1 and _falls(pools[-2], pools[-1]):
            last, before = pools.pop(), pools.pop()
            pools.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    rates = [right / size for size, right, _ in pools]
    return np.repeat(rates, [width for _, _, width in pools])


def _falls(before: tuple[float, float, int], after: tuple[float, float, int]) -> bool:
    # An empty bin has no rate of its own: it takes its neighbour's.
    return after[0] == 0 or before[0] == 0 or before[1] * after[0] >= after[1] * before[0]
