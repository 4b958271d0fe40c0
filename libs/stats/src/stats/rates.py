"""How surprising a count is where a share was accepted: duplicates, cut texts, broken rows."""

from math import lgamma, log

import numpy as np


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


def _log_choose(n: int, count: int) -> float:
    return -log(n + 1) - _log_beta(n - count + 1, count + 1)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
