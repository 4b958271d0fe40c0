"""Quantiles of latencies kept as counts in fixed buckets, with bounds that never flatter.

Histograms merge across processes and windows, samples do not. The price is the width of a bucket
(5 %), which is always charged against the claim: upper bounds are upper edges. Bounds for one look
are here; those that may be looked at always are `quantile_sequences`'.
"""

from collections.abc import Sequence
from math import ceil, inf, isfinite, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.bounds import Bounds

_FIRST_EDGE_MS = 0.1
_LAST_EDGE_MS = 60_000.0
_STEP = 1.05
# Beyond 12 standard deviations a binomial has no mass that a double can hold beside 1.
_DEVIATIONS = 12.0


def latency_buckets() -> tuple[float, ...]:
    """Return the fixed upper edges in ms: 5 % steps from 0.1 ms up to 60 s."""
    steps = ceil(log(_LAST_EDGE_MS / _FIRST_EDGE_MS) / log(_STEP))
    edges = (float(f"{_FIRST_EDGE_MS * _STEP**i:.6g}") for i in range(steps))
    return (*edges, _LAST_EDGE_MS)


def bucket_counts(values: ArrayLike, upper_edges: Sequence[float]) -> NDArray[np.int64]:
    """Count values into buckets (previous edge, edge]; the last count is what lies above all."""
    places = np.searchsorted(np.asarray(upper_edges), np.asarray(values), side="left")
    return np.bincount(places, minlength=len(upper_edges) + 1).astype(np.int64)


def quantile_bounds(
    upper_edges: Sequence[float], counts: Sequence[int], q: float, alpha: float = 0.05
) -> Bounds:
    """Return order-statistic bounds of the q-quantile, one-sided 1 - alpha each, for one look.

    Bucket i holds values in (upper_edges[i-1], upper_edges[i]], the first from 0; `counts` may
    have one more entry for values above the last edge. Exact in the binomial, so the upper bound
    is infinite below 59 values for q = .95 and 299 for .99. `point` is an upper edge too.
    """
    if len(counts) not in (len(upper_edges), len(upper_edges) + 1):
        raise ValueError(f"{len(counts)} counts for {len(upper_edges)} bucket edges")
    if not 0 < q < 1:
        raise ValueError(f"quantile {q}: expected a number strictly between 0 and 1")
    n = sum(counts)
    if n == 0:
        return Bounds(n=0, lower=0.0, point=inf, upper=inf)
    edges = (0.0, *upper_edges, inf)
    cumulated = np.cumsum(counts)
    low_rank, high_rank = _ranks(n, q, alpha)
    return Bounds(
        n=n,
        lower=edges[_bucket(cumulated, low_rank)] if low_rank >= 1 else 0.0,
        point=edges[_bucket(cumulated, ceil(n * q)) + 1],
        upper=edges[_bucket(cumulated, high_rank) + 1] if high_rank <= n else inf,
    )


def quantile_ratio_bounds(
    upper_edges: Sequence[float],
    candidate: Sequence[int],
    baseline: Sequence[int],
    q: float,
    alpha: float = 0.05,
) -> Bounds:
    """Return bounds of the candidate's q-quantile divided by the baseline's, for one look.

    Each quantile is bounded at alpha / 2, so that both hold together; the width of a bucket is
    charged twice. Infinite where either has too few values.
    """
    ours = quantile_bounds(upper_edges, candidate, q, alpha / 2)
    theirs = quantile_bounds(upper_edges, baseline, q, alpha / 2)
    return ratio_of(ours, theirs)


def ratio_of(ours: Bounds, theirs: Bounds) -> Bounds:
    """Return bounds of one positive quantity divided by another, from bounds that hold together."""
    n = min(ours.n, theirs.n)
    if n == 0:
        return Bounds(n=0, lower=0.0, point=inf, upper=inf)
    lower = ours.lower / theirs.upper
    upper = ours.upper / theirs.lower if theirs.lower else inf
    point = ours.point / theirs.point if isfinite(theirs.point) else lower
    return Bounds(n=n, lower=lower, point=min(max(point, lower), upper), upper=upper)


def _bucket(cumulated: NDArray[np.int64], rank: int) -> int:
    """Return the bucket of the rank-th smallest value (from 1)."""
    return int(np.searchsorted(cumulated, rank, side="left"))


def _ranks(n: int, q: float, alpha: float) -> tuple[int, int]:
    """Return ranks r, s with P(X_(r) <= quantile) and P(X_(s) >= quantile) at least 1 - alpha.

    Rank 0 or n + 1 means that no value of the sample gives such a bound. David and Nagaraja,
    Order Statistics, section 7.1.
    """
    values, mass = _binomial(n, q)
    below = np.concatenate(([0.0], np.cumsum(mass)))  # below[i] = P(B < values[i])
    # X_(r) <= quantile when at least r values lie below it: P(B >= r) = 1 - P(B < r).
    low = np.flatnonzero(below[:-1] <= alpha)
    # X_(s) >= quantile when fewer than s values lie below it: P(B < s) = P(B <= s - 1).
    high = np.flatnonzero(below[1:] >= 1 - alpha)
    return int(values[low[-1]]), int(values[high[0]]) + 1


def _binomial(n: int, q: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the counts near n q and their binomial probabilities."""
    reach = _DEVIATIONS * sqrt(n * q * (1 - q)) + 30
    values = np.arange(max(0, int(n * q - reach)), min(n, int(n * q + reach)) + 1)
    steps = np.log((n - values[:-1]) / (values[:-1] + 1)) + log(q / (1 - q))
    log_mass = np.concatenate(([0.0], np.cumsum(steps)))
    mass = np.exp(log_mass - log_mass.max())
    return values, mass / mass.sum()
