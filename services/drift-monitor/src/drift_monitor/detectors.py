"""Six comparisons of a Window's sums with its Reference, and what each looks like without drift.

No single one wins: the embedding finds new topics, confidence novelty and noise, labels a moved
prior, the text measures everything else. Each statistic is scaled so that its null hardly depends
on the Window's size; the rest is interpolated. Thresholds are not here: see monitors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from drift_monitor.sketches import MEASURES, Floats, Sketcher
from stats.nulls import NullDistribution, bootstrap_means, reference_inflation
from stats.two_sample import cosine_distance, g_statistic, ks_statistic, mmd2

DETECTORS = ("embedding", "label", *MEASURES)
# Below 200 rows nothing but the grossest drift shows, and the null is far from its limit.
FEWEST_ROWS = 200
# Window sizes at which the null is resampled; between them it is interpolated in log n.
GRID = (200, 500, 1000, 2000, 5000, 10_000)
# Good for p = 5e-3 by counting; the fitted tail does the rest. More would take minutes a version.
NULL_WINDOWS = 2000
NAIVE_COSINE_LIMIT = 0.08
"""The rule this service replaces; shown beside the others. Below n = 150 it mostly fires on noise,
above 500 it never fires at all."""


@dataclass(frozen=True)
class Sample:
    """The mean vector of n rows."""

    n: int
    mean: Floats


def statistics(sketcher: Sketcher, n: int, means: Floats, reference: Sample) -> dict[str, Floats]:
    """Return each Detector's scaled statistic for windows of n rows with means [..., width]."""

    def part(name: str) -> tuple[Floats, Floats]:
        where = sketcher.part(name)
        return means[..., where], reference.mean[where]

    mine, theirs = part("label")
    found = {
        "embedding": n * mmd2(*part("features")),
        "label": g_statistic(n * mine, reference.n * theirs),
    }
    found |= {name: sqrt(n) * ks_statistic(*part(name)) for name in MEASURES}
    return found


def comparable(values: Mapping[str, Floats], n: int, reference: Sample) -> dict[str, float]:
    """Return one Window's statistics as they would be if the Reference had no error of its own.

    Only then are they comparable with a null that was drawn from that Reference. KS is a root, so
    it takes the root of the inflation.
    """
    inflation = reference_inflation(n, reference.n)
    return {
        name: float(values[name]) / (sqrt(inflation) if name in MEASURES else inflation)
        for name in DETECTORS
    }


def resample_null(
    sketcher: Sketcher,
    vectors: NDArray[np.float32],
    n: int,
    seed: int,
    keep_going: Callable[[], bool] = lambda: True,
) -> Mapping[str, Floats] | None:
    """Return the sorted statistics [NULL_WINDOWS] of windows drawn from the Reference's rows.

    Takes seconds; None when `keep_going` said no in between.
    """
    reference = Sample(len(vectors), vectors.mean(axis=0, dtype=np.float64))
    chunks = []
    for means in bootstrap_means(vectors, n, NULL_WINDOWS, seed):
        if not keep_going():
            return None
        chunks.append(statistics(sketcher, n, means, reference))
    return {name: np.sort(np.concatenate([c[name] for c in chunks])) for name in DETECTORS}


def grid_around(n: int) -> tuple[int, int, float]:
    """Return the grid sizes below and above n and how far n lies between them, in log n."""
    if n <= GRID[0]:
        return GRID[0], GRID[0], 0.0
    if n >= GRID[-1]:
        return GRID[-1], GRID[-1], 0.0
    above = next(size for size in GRID if size > n)
    below = GRID[GRID.index(above) - 1]
    return below, above, log(n / below) / log(above / below)


def null_between(lower: Floats, upper: Floats, weight: float) -> NullDistribution:
    """Interpolate two sorted nulls, quantile by quantile."""
    return NullDistribution((1 - weight) * lower + weight * upper)


def naive_cosine(sketcher: Sketcher, window: Sample, reference: Sample) -> float:
    """Return the cosine distance of the mean projections, which the naive rule compares to .08."""
    where = sketcher.part("projection")
    return float(cosine_distance(window.mean[where], reference.mean[where]))
