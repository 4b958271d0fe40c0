"""How surprising a count is where a share was accepted: duplicates, cut texts, broken rows."""

from math import exp, lgamma, log, log1p

import numpy as np

from stats.bisection import boundary


def excess_p(count: int, n: int, seen: float, of: float) -> float:
    """Return P(at least `count` of n) where `seen` of `of` rows were accepted.

    The predictive tail of a binomial with Jeffreys' prior (beta-binomial; Gelman et al., Bayesian
    Data Analysis, 2.4): it knows that the accepted share is itself an estimate.
    """
    if count <= 0:
        return 1.0
    a, b = seen + 0.5, of - seen + 0.5
    counts = np.arange(count, n)
    ratios = (n - counts) * (counts + a) / ((counts + 1) * (n - counts - 1 + b))
    first = _log_choose(n, count) + _log_beta(count + a, n - count + b) - _log_beta(a, b)
    logs = first + np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    return min(1.0, float(np.exp(logs).sum()))


def binomial_bounds(count: int, n: int, alpha: float) -> tuple[float, float]:
    """Return bounds of the rate of which `count` of n came, each side at alpha.

    Clopper and Pearson 1934: exact for one look at a fixed n.
    """
    low = boundary(lambda p: 1 - _at_most(count - 1, n, p) <= alpha, 1.0, 0.0) if count else 0.0
    high = boundary(lambda p: _at_most(count, n, p) <= alpha, 0.0, 1.0) if count < n else 1.0
    return low, high


def _at_most(count: int, n: int, p: float) -> float:
    """Return P(at most `count` of n) at a rate p in (0, 1)."""
    if p in {0.0, 1.0}:
        return 1.0 if p == 0 or count >= n else 0.0
    counts = range(count + 1)
    terms = (_log_choose(n, i) + i * log(p) + (n - i) * log1p(-p) for i in counts)
    return min(1.0, sum(exp(term) for term in terms))


def _log_choose(n: int, count: int) -> float:
    return -log(n + 1) - _log_beta(n - count + 1, count + 1)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
