"""Quantiles of latencies with bounds that stay true at every look.

A quantile is at most x where the share of values up to x is at least q, and that share is a rate:
its beta-binomial confidence sequence bounds the quantile at all x and all times at once, because
only the share below the true quantile could make a claim false (Howard and Ramdas, arXiv
1906.09712, in the beta-binomial form). The values must be independent.
"""

from collections.abc import Callable, Sequence
from math import ceil, inf, log

import numpy as np

from stats.bounds import Bounds
from stats.confidence_sequences import beta_binomial_log_e
from stats.quantiles import ratio_of


def quantile_sequence_bounds(
    upper_edges: Sequence[float], counts: Sequence[int], q: float, alpha: float = 0.05
) -> Bounds:
    """Return anytime-valid bounds of the q-quantile; buckets as in `quantiles.quantile_bounds`."""
    n = sum(counts)
    if n == 0:
        return Bounds(n=0, lower=0.0, point=inf, upper=inf)
    edges = (0.0, *upper_edges, inf)
    cumulated = np.cumsum(counts)
    few, many = _decided_ranks(n, q, alpha)
    # Bucket i holds values up to edges[i + 1]: the first with `many` values up to its end is high
    # enough, the last with at most `few` is too low.
    return Bounds(
        n=n,
        lower=edges[int(np.searchsorted(cumulated, few, side="right"))],
        point=edges[int(np.searchsorted(cumulated, ceil(n * q), side="left")) + 1],
        upper=edges[int(np.searchsorted(cumulated, many, side="left")) + 1] if many <= n else inf,
    )


def quantile_ratio_sequence_bounds(
    upper_edges: Sequence[float],
    candidate: Sequence[int],
    baseline: Sequence[int],
    q: float,
    alpha: float = 0.05,
) -> Bounds:
    """Return anytime-valid bounds of the candidate's q-quantile divided by the baseline's.

    Each quantile is bounded at alpha / 2, so that both hold together.
    """
    ours = quantile_sequence_bounds(upper_edges, candidate, q, alpha / 2)
    return ratio_of(ours, quantile_sequence_bounds(upper_edges, baseline, q, alpha / 2))


def _decided_ranks(n: int, q: float, alpha: float) -> tuple[int, int]:
    """Return the most values of n (-1: none is few enough) that show a share under q, and the
    least (n + 1: none is enough) that show one over q.
    """
    enough = log(1 / alpha)
    middle = int(n * q)

    def shown(successes: int) -> bool:
        return beta_binomial_log_e(successes, n, q) >= enough

    few = _first(lambda k: shown(middle - k) if k <= middle else True, middle + 1)
    many = _first(lambda k: shown(middle + k) if middle + k <= n else True, n + 1 - middle)
    return middle - few, middle + many


def _first(holds: Callable[[int], bool], most: int) -> int:
    """Return the smallest k in 0..most at which `holds`, which then holds for all larger ones."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
