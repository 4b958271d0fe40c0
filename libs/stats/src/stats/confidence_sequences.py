"""The beta-binomial confidence sequence: bounds on a rate that stay true at every look.

A fixed-n interval looked at after each request fails a good model a third of the time; this one
may be looked at always and stopped for any reason (Ville's inequality; Robbins 1970, and for
canaries arXiv 2205.14762). The observations must be independent: the caller drops retries and
identical texts first.
"""

from math import inf, lgamma, log

from stats.bisection import boundary
from stats.bounds import Bounds

# As few pairs as any prior of 20 to 150 rows in clear cases of limits of 2-5 %, and the fewest
# versions at the limit that FAIL: benchmarks/rollouts.py counts both.
PRIOR_STRENGTH = 20.0


def beta_binomial_log_e(
    successes: int,
    n: int,
    limit: float,
    rate: float | None = None,
    prior_strength: float = PRIOR_STRENGTH,
) -> float:
    """Return ln of the evidence against "the true rate is `rate`" (None: is `limit`).

    The prior is Beta(k L, k (1 - L)) around the limit L and must be fixed before the first
    observation. The rate is rejected where this reaches ln(1 / alpha).
    """
    _check(successes, n, limit, prior_strength)
    a, b = prior_strength * limit, prior_strength * (1 - limit)
    mixture = _log_beta(a + successes, b + n - successes) - _log_beta(a, b)
    return mixture - _log_likelihood(successes, n, limit if rate is None else rate)


def beta_binomial_bounds(
    successes: int,
    n: int,
    limit: float,
    alpha: float = 0.05,
    prior_strength: float = PRIOR_STRENGTH,
) -> Bounds:
    """Return the confidence sequence of a rate after n observations; `limit` centres the prior.

    Consistent with the direct decision: the limit lies outside the bounds exactly where
    `beta_binomial_log_e` at the limit reaches ln(1 / alpha).
    """
    _check(successes, n, limit, prior_strength)
    if n == 0:
        return Bounds(n=0, lower=0.0, point=limit, upper=1.0)
    reject = log(1 / alpha)

    def rejected(rate: float) -> bool:
        return beta_binomial_log_e(successes, n, limit, rate, prior_strength) >= reject

    point = successes / n
    lower = boundary(rejected, outside=point, inside=0.0) if successes else 0.0
    upper = boundary(rejected, outside=point, inside=1.0) if successes < n else 1.0
    return Bounds(n=n, lower=lower, point=point, upper=upper)


def _log_likelihood(successes: int, n: int, rate: float) -> float:
    failures = n - successes
    if (successes and rate <= 0) or (failures and rate >= 1):
        return -inf
    hits = successes * log(rate) if successes else 0.0
    return hits + (failures * log(1 - rate) if failures else 0.0)


def _log_beta(x: float, y: float) -> float:
    return lgamma(x) + lgamma(y) - lgamma(x + y)


def _check(successes: int, n: int, limit: float, prior_strength: float) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} observations: expected 0 <= successes <= n")
    if not 0 < limit < 1:
        raise ValueError(f"limit {limit}: a rate's limit lies strictly between 0 and 1")
    if prior_strength <= 0:
        raise ValueError(f"prior_strength {prior_strength}: expected a positive number of rows")
