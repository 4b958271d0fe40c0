"""How many rows a rule that may be looked at always needs until it decides, before the first row.

A forecast: the counts are taken at the quantile that `power` leaves on the wrong side of, as if
somebody looked once, after exactly so many rows. Looking all the time decides no later.
"""

from collections.abc import Callable
from math import log, sqrt
from statistics import NormalDist

from stats.confidence_sequences import beta_binomial_log_e
from stats.paired import log_k_fail, log_k_pass
from stats.two_samples import rate_difference_bounds

MOST_ROWS = 10**8
"""What needs more is never decided."""


def rows_for_rate(limit: float, rate: float, alpha: float, power: float) -> int | None:
    """Return the rows that show a true `rate` to be on its side of `limit`; None: too many."""
    unlucky = NormalDist().inv_cdf(power) * sqrt(rate * (1 - rate))

    def shown(n: int) -> bool:
        drift = unlucky * sqrt(n)
        successes = round(min(max(n * rate + (drift if rate < limit else -drift), 0), n))
        right = successes / n < limit if rate < limit else successes / n > limit
        return right and beta_binomial_log_e(successes, n, limit) >= log(1 / alpha)

    return None if rate == limit else _fewest(shown)


def rows_for_difference(
    limits: tuple[float, float], truth: tuple[float, float], alpha: float, power: float
) -> int | None:
    """Return the rows that both answered until a difference of accuracies is shown to lie under
    the first of two `limits`, or over the second.

    `truth` is (the true difference, the share of rows that only one of the two has right).
    """
    difference, discordant = truth
    under, over = limits
    unlucky = NormalDist().inv_cdf(power) * sqrt(max(discordant - difference**2, 0))
    worse = difference < under
    if not worse and difference <= over:
        return None

    def shown(n: int) -> bool:
        drift = unlucky * sqrt(n)
        net = n * difference + (drift if worse else -drift)
        wins, losses = (max(0, round((n * discordant + sign * net) / 2)) for sign in (1, -1))
        wins, losses = min(wins, n), min(losses, n - min(wins, n))
        if worse:
            return log_k_fail(wins, losses, n, -under) >= log(1 / alpha)
        return log_k_pass(wins, losses, n, -over) >= log(1 / alpha)

    return _fewest(shown)


def rows_for_rates_apart(
    limit: float, rates: tuple[float, float], share: float, alpha: float
) -> int | None:
    """Return the candidate's requests until its rate is shown to be on its side of baseline's
    plus `limit`, in the middle of what chance may bring; `share` of all requests are its own.
    """
    ours, theirs = rates
    passes = ours - theirs < limit

    def shown(n: int) -> bool:
        others = round(n * (1 - share) / share)
        counted = (round(n * ours), n), (round(others * theirs), others)
        bounds = rate_difference_bounds(*counted, limit, alpha)
        return bounds.upper <= limit if passes else bounds.lower > limit

    return _fewest(shown)


def rows_for_quantile(q: float, alpha: float) -> int | None:
    """Return the values without which no upper bound of a q-quantile is finite."""
    return _fewest(lambda n: beta_binomial_log_e(n, n, q) >= log(1 / alpha))


def _fewest(shown: Callable[[int], bool]) -> int | None:
    high = 1
    while not shown(high):
        high *= 2
        if high > MOST_ROWS:
            return None
    low = high // 2
    while high - low > max(1, high // 200):
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high
