"""Two models answering the same labelled rows: which is right more often, at every look.

A row is a win (only the candidate right), a loss (only the baseline right) or a tie. The mean of
D = +1, -1, 0 is the difference of the accuracies. Its confidence sequence is by betting
(Waudby-Smith and Ramdas, arXiv 2010.09686): 16 bets at once, averaged, so no bet size is chosen
after seeing the rows. McNemar's tests answer the narrower question "equal or not".
"""

from math import comb, erfc, lgamma, log, sqrt

import numpy as np

from stats.bisection import boundary
from stats.bounds import Bounds

# Small bets settle small differences, large ones large differences; geometric covers both.
_BETS = np.geomspace(0.02, 0.9, 16)
# A bet may never lose everything, or one row would end the sequence for good.
_LARGEST_LOSS = 0.95
# Below this many discordant rows the chi-square approximation is off; the mid-p is exact enough.
_EXACT_BELOW = 25


def accuracy_difference_bounds(wins: int, losses: int, n: int, alpha: float = 0.05) -> Bounds:
    """Return the anytime-valid bounds of accuracy(candidate) - accuracy(baseline).

    A margin g is met (non-inferiority) where lower > -g and missed where upper < -g; that is the
    same decision as `log_k_pass` or `log_k_fail` at g reaching ln(1 / alpha).
    """
    _check(wins, losses, n)
    if n == 0:
        return Bounds(n=0, lower=-1.0, point=0.0, upper=1.0)
    return Bounds(
        n=n,
        lower=_lower(wins, losses, n, alpha),
        point=(wins - losses) / n,
        upper=-_lower(losses, wins, n, alpha),
    )


def log_k_pass(wins: int, losses: int, n: int, margin: float) -> float:
    """Return ln of the evidence that the candidate is less than `margin` worse.

    Margin in [-1, 1]; a negative one asks for that much better. Monotone in the margin.
    """
    _check(wins, losses, n)
    if not -1 <= margin <= 1:
        raise ValueError(f"margin {margin}: accuracies differ by at most 1")
    bets = np.minimum(_BETS, _LARGEST_LOSS / (1 + abs(margin)))
    log_wealth = (
        wins * np.log1p(bets * (1 + margin))
        + losses * np.log1p(-bets * (1 - margin))
        + (n - wins - losses) * np.log1p(bets * margin)
    )
    top = float(log_wealth.max())
    return top + log(float(np.exp(log_wealth - top).mean()))


def log_k_fail(wins: int, losses: int, n: int, margin: float) -> float:
    """Return ln of the evidence that the candidate is more than `margin` worse."""
    return log_k_pass(losses, wins, n, -margin)


def sequential_mcnemar_log_e(baseline_only_right: int, candidate_only_right: int) -> float:
    """Return ln of the evidence against equal accuracy, valid at every look.

    Beta(1, 1) mixture over the discordant rows. Which model is better is the sign of b - c.
    """
    b, c = baseline_only_right, candidate_only_right
    if b < 0 or c < 0:
        raise ValueError(f"discordant counts {b} and {c} must not be negative")
    return lgamma(b + 1) + lgamma(c + 1) - lgamma(b + c + 2) + (b + c) * log(2)


def mcnemar_p(baseline_only_right: int, candidate_only_right: int) -> float:
    """Return McNemar's two-sided p for one look: mid-p below 25 discordant rows, else chi-square.

    Fagerland, Lydersen and Laake 2013. Not valid under repeated looks.
    """
    b, c = baseline_only_right, candidate_only_right
    if b < 0 or c < 0:
        raise ValueError(f"discordant counts {b} and {c} must not be negative")
    discordant = b + c
    if discordant >= _EXACT_BELOW:
        return erfc(abs(b - c) / sqrt(2 * discordant))
    fewer = min(b, c)
    below = sum(comb(discordant, i) for i in range(fewer))
    at = comb(discordant, fewer)
    return min(1.0, (below + at / 2) * 0.5 ** (discordant - 1))


def _lower(wins: int, losses: int, n: int, alpha: float) -> float:
    """Return minus the smallest margin that is shown to be met; -1 where none is."""
    enough = log(1 / alpha)

    def shown(margin: float) -> bool:
        return log_k_pass(wins, losses, n, margin) >= enough

    if not shown(1.0):
        return -1.0
    return -boundary(shown, outside=-(wins - losses) / n, inside=1.0)


def _check(wins: int, losses: int, n: int) -> None:
    if wins < 0 or losses < 0 or wins + losses > n:
        raise ValueError(f"{wins} wins and {losses} losses do not fit into {n} rows")
