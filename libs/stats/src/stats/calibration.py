"""How far a classifier's confidence is from how often it is right, from counts by bin.

Expected calibration error over bins of equal mass (Naeini, Cooper and Hauskrecht 2015; equal mass
after Nguyen and O'Connor 2015). Which rows are in which bin is decided where rows are seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.bounds import Bounds

BINS = 15
"""As in Guo et al. 2017; fewer hide errors that cancel, more are noise at a thousand rows."""


@dataclass(frozen=True, slots=True)
class CalibrationBins:
    """Float64 [bins, 4]: rows, rows that were right, sums of the confidences of right and of
    wrong rows.
    """

    table: NDArray[np.float64]

    @classmethod
    def from_rows(
        cls, confidences: Sequence[float], right: Sequence[bool], bins: int = BINS
    ) -> "CalibrationBins":
        """Cut rows, ordered by confidence in [0, 1], into bins of equal mass."""
        # Scores in float32 may be over 1 by their last bit.
        given = np.clip(np.asarray(confidences, dtype=np.float64), 0, 1)
        order = np.argsort(given, kind="stable")
        sure = given[order]
        hit = np.asarray(right, dtype=bool)[order]
        rows = [
            [len(part), hit[part].sum(), sure[part][hit[part]].sum(), sure[part][~hit[part]].sum()]
            for part in np.array_split(np.arange(len(sure)), min(bins, max(1, len(sure))))
        ]
        return cls(np.asarray(rows, dtype=np.float64))

    @property
    def n(self) -> int:
        """Rows counted."""
        return int(self.table[:, 0].sum())


def calibration_error(bins: CalibrationBins) -> float:
    """Return the expected calibration error: the mean over rows of |accuracy - confidence|."""
    gaps = np.abs(bins.table[:, 1] - bins.table[:, 2:].sum(axis=1))
    return float(gaps.sum() / max(bins.n, 1))


def calibration_error_bounds(
    bins: CalibrationBins, alpha: float = 0.05, resamples: int = 2000, seed: int = 0
) -> Bounds:
    """Return bootstrap bounds of the calibration error, for one look at a fixed set of rows.

    Noise in a bin always adds to the error, so resamples lie above it and their upper quantile is
    careful as it is. For the same reason what the noise alone can make is taken off for the lower
    bound: by the triangle inequality the true error is at least that.
    """
    if bins.n == 0:
        return Bounds(n=0, lower=0.0, point=0.0, upper=1.0)
    count = len(bins.table)
    cells = np.concatenate([bins.table[:, 1], bins.table[:, 0] - bins.table[:, 1]])
    confidence = bins.table[:, 2:].T.ravel() / np.maximum(cells, 1)
    excess = np.repeat([1.0, 0.0], count) - confidence
    draws = np.random.default_rng(seed).multinomial(bins.n, cells / bins.n, size=resamples) * excess
    gaps = (draws[:, :count] + draws[:, count:]) / bins.n
    seen = (cells * excess).reshape(2, count).sum(axis=0) / bins.n
    point = calibration_error(bins)
    upper = float(np.quantile(np.abs(gaps).sum(axis=1), 1 - alpha))
    noise = float(np.quantile(np.abs(gaps - seen).sum(axis=1), 1 - alpha))
    return Bounds(bins.n, max(0.0, point - noise), point, max(upper, point))
