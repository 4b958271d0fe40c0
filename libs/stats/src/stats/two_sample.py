"""How far a Window lies from its Reference: statistics on sums that merge.

Every function takes means, shares or counts, never rows, so that hourly sums of many processes
can be added first. Arrays may carry a leading axis of many windows. What distance is normal is
for stats.nulls; only the G-test has a p-value of its own.
"""

from math import erfc, exp, lgamma, log, sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Real = TypeVar("_Real", np.float32, np.float64)

# 512 frequencies approximate the kernel to about 1/sqrt(512) and keep a mean at 1,024 floats.
FREQUENCIES = 512
# Drift is near or far: the kernel's width is the median distance times each of these.
BANDWIDTHS = (0.5, 1.0, 2.0)
# Pairs of rows from which the median distance is taken; its error is then under 2 %.
_DISTANCE_PAIRS = 5000


def rff_frequencies(reference: Floats, seed: int) -> Floats:
    """Draw the frequencies [512, d] of random Fourier features for a reference [n, d].

    Rahimi and Recht 2007. The 512 are shared out among three Gaussian kernels, whose widths are
    multiples of the median distance between reference rows: one mean covers all three.
    """
    rng = np.random.default_rng(seed)
    widths = np.resize(np.asarray(BANDWIDTHS), FREQUENCIES) * _median_distance(reference, rng)
    draws: Floats = rng.standard_normal((FREQUENCIES, reference.shape[1])) / widths[:, None]
    return draws


def rff_features(
    projection: NDArray[_Real], frequencies: NDArray[_Real], into: NDArray[_Real] | None = None
) -> NDArray[_Real]:
    """Return features [n, 2 D] of rows [n, d]: [cos(w x), sin(w x)] / sqrt(D) for D frequencies.

    In the precision of its arguments: float32 is enough for sums and ten times as fast. `into`
    is filled where it is given.
    """
    phases = projection @ frequencies.T
    count = len(frequencies)
    features = np.empty((len(phases), 2 * count), phases.dtype) if into is None else into
    np.cos(phases, out=features[:, :count])
    np.sin(phases, out=features[:, count:])
    features *= features.dtype.type(1 / sqrt(count))
    return features


def mmd2(mean: Floats, reference_mean: Floats) -> Floats:
    """Return the squared maximum mean discrepancy of mean features [..., 2 D] from one [2 D].

    From several [r, 2 D] it is [..., r]. Gretton et al. 2012, biased (V) form: without drift about
    1/n, never negative. Multiplied out: for thousands of windows their differences would be more
    memory than work.
    """
    own = np.einsum("...i,...i->...", mean, mean)
    theirs = np.einsum("...i,...i->...", reference_mean, reference_mean)
    if reference_mean.ndim > 1:
        own = own[..., None]
    distance = own - 2 * (mean @ reference_mean.T) + theirs
    return np.asarray(np.maximum(0.0, distance), dtype=np.float64)


def cosine_distance(mean: Floats, reference_mean: Floats) -> Floats:
    """Return 1 - cosine of two mean vectors [..., d]; mostly 1/n noise, kept for comparison."""
    norms = np.linalg.norm(mean, axis=-1) * np.linalg.norm(reference_mean, axis=-1)
    dots = (mean * reference_mean).sum(axis=-1)
    cosine: Floats = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return 1.0 - cosine


def ks_statistic(shares: Floats, reference_shares: Floats) -> Floats:
    """Return the Kolmogorov-Smirnov distance of two histograms [..., bins] of shares."""
    gaps = np.abs(np.cumsum(shares - reference_shares, axis=-1))
    distance: Floats = gaps.max(axis=-1)
    return distance


def g_statistic(counts: Floats, reference_counts: Floats) -> Floats:
    """Return the two-sample G statistic of counts [..., k] against reference counts [k].

    Finite where the reference never saw a class. Chi-square with (classes seen - 1) degrees.
    """
    rows = np.broadcast_to(reference_counts, counts.shape)
    n, m = counts.sum(axis=-1, keepdims=True), rows.sum(axis=-1, keepdims=True)
    pooled = (counts + rows) / (n + m)
    return 2.0 * (_deviance(counts, n * pooled) + _deviance(rows, m * pooled))


def g_test_p(counts: Floats, reference_counts: Floats) -> float:
    """Return the p-value of the G-test of two rows of counts [k], rows taken as independent."""
    classes = int(((counts + reference_counts) > 0).sum())
    if classes < 2 or not counts.sum() or not reference_counts.sum():
        return 1.0
    return chi2_survival(float(g_statistic(counts, reference_counts)), classes - 1)


def chi2_survival(statistic: float, degrees: int) -> float:
    """Return P(chi-square with `degrees` > statistic), exactly (Abramowitz and Stegun 26.4.4-5)."""
    if statistic <= 0:
        return 1.0
    half = statistic / 2
    powers = (degrees / 2 - 1 - i for i in range(degrees // 2))
    terms = (exp(power * log(half) - half - lgamma(power + 1)) for power in powers)
    return min(1.0, sum(terms) + (erfc(sqrt(half)) if degrees % 2 else 0.0))


def _median_distance(rows: Floats, rng: np.random.Generator) -> float:
    left, right = rng.integers(0, len(rows), size=(2, _DISTANCE_PAIRS))
    distances = np.linalg.norm(rows[left] - rows[right], axis=1)
    # A row paired with itself or its twin says nothing about the scale.
    apart = distances[distances > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def _deviance(observed: Floats, expected: Floats) -> Floats:
    seen = observed > 0
    ratio = np.divide(observed, expected, out=np.ones_like(observed), where=seen)
    total: Floats = (observed * np.log(ratio)).sum(axis=-1)
    return total
